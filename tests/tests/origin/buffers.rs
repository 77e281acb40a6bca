use allocation_counter::measure;
use fdlink_linux::iovec_buffer::{BUF_CONFIG, IovecBuffer};
use fdlink_tests::support::{marked, seqpacket};

pub(crate) fn test_buf_config_max_length() {
    let sum: usize = BUF_CONFIG.iter().sum();
    assert!(sum >= 65_535, "the longest IP packet does not fit {sum} bytes");
    assert_eq!(sum, 65_664, "the origin's");
}

pub(crate) fn test_buf_config_first() {
    assert!(BUF_CONFIG[0] >= 120, "60 bytes of IP header and 60 bytes of TCP header belong into one view");
}

/// The origin's four cases: sizes of the views, length of the frame, lengths of the pulled views.
pub(crate) fn test_iovec_buffer() {
    let cases: [(&[usize], usize, &[usize]); 4] = [
        (&[256], 128, &[128]),
        (&[128, 256], 256, &[128, 128]),
        (&[128, 256], 384, &[128, 256]),
        (&[128, 256, 512], 384, &[128, 256]),
    ];
    for (config, len, lengths) in cases {
        let (fd, peer) = seqpacket();
        let mut buffer = IovecBuffer::new(config, 0);
        let frames = [marked(1, len), marked(2, len)];
        let pulled = frames.each_ref().map(|frame| {
            peer.send(frame);
            let read = buffer.read(&fd).unwrap();
            buffer.pull(read)
        });
        for (views, frame) in pulled.iter().zip(&frames) {
            assert_eq!(views.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{config:?}");
            // The views of the first frame were replaced, not reused: it is as it was after the second came.
            assert_eq!(&views.concat(), frame, "{config:?}");
        }
        // One allocation for each view that was used, and none for the others.
        let mut read = |pull: bool| {
            peer.send(&frames[0]);
            let info = measure(|| assert_eq!(buffer.read(&fd), Ok(len)));
            if pull {
                buffer.pull(len);
            }
            info.count_total
        };
        let (_, nothing_used, used) = (read(false), read(true), read(true));
        assert_eq!(used - nothing_used, lengths.len() as u64, "{config:?}");
    }
}

pub(crate) fn test_iovec_buffer_skip_vnet_hdr() {
    for (sent, expected) in [(0, 0), (9, 0), (10 + 512, 512)] {
        let (fd, peer) = seqpacket();
        let mut buffer = IovecBuffer::new(&[128, 256, 512, 1024], 10);
        let frame = &marked(3, 600)[..sent];
        peer.send(frame);
        let read = buffer.read(&fd).unwrap();
        assert_eq!(read, sent);
        let pulled = buffer.pull(read).concat();
        assert_eq!(pulled.len(), expected);
        assert_eq!(pulled, frame.get(10..).unwrap_or_default());
    }
}
