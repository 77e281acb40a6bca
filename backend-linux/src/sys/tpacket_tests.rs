//! The ring state machines over plain memory, with a producer that behaves like the kernel and one that does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tpacket_frame::{V1, V2};
use super::*;

/// Small pages, so that every case wraps around.
const SLOTS: Geometry = Geometry { block_size: 1024, blocks: 2, frame_size: 256 };
const BLOCKS: Geometry = Geometry { block_size: 1024, blocks: 3, frame_size: 256 };
/// Where frames start in their slots; behind every header.
const MAC: usize = 96;
const MAX_FRAME: usize = 256 - MAC;
const WHOLE: Lending = Lending { frame_len: usize::MAX, vnet_header_len: 0, reinsert_tag: false };
const TAGGED: Lending = Lending { reinsert_tag: true, ..WHOLE };

fn memory(geometry: Geometry) -> Mapping {
    Mapping::anonymous(geometry.len()).unwrap()
}

fn put(memory: &mut Mapping, at: usize, bytes: &[u8]) {
    memory.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Where the kernel writes what it says of a frame.
trait Layout: SlotHeader {
    const STATUS: usize;
    const FRAME_LEN: usize;
    const SNAPLEN: usize;
    const MAC: usize;

    /// A status word as bytes.
    fn word(status: u32) -> Vec<u8>;
}

impl Layout for V1 {
    const STATUS: usize = offset_of!(libc::tpacket_hdr, tp_status);
    const FRAME_LEN: usize = offset_of!(libc::tpacket_hdr, tp_len);
    const SNAPLEN: usize = offset_of!(libc::tpacket_hdr, tp_snaplen);
    const MAC: usize = offset_of!(libc::tpacket_hdr, tp_mac);

    fn word(status: u32) -> Vec<u8> {
        (status as usize).to_ne_bytes().to_vec()
    }
}

impl Layout for V2 {
    const STATUS: usize = offset_of!(libc::tpacket2_hdr, tp_status);
    const FRAME_LEN: usize = offset_of!(libc::tpacket2_hdr, tp_len);
    const SNAPLEN: usize = offset_of!(libc::tpacket2_hdr, tp_snaplen);
    const MAC: usize = offset_of!(libc::tpacket2_hdr, tp_mac);

    fn word(status: u32) -> Vec<u8> {
        status.to_ne_bytes().to_vec()
    }
}

/// Hands slots over as the kernel does; returns false if the next slot is still ours.
fn produce_slot<H: Layout>(ring: &mut SlotRing<H>, index: usize, frame: &[u8], real_len: usize) -> bool {
    let slot = index % SLOTS.slots() * SLOTS.frame_size;
    if H::status(&ring.memory, slot) != libc::TP_STATUS_KERNEL {
        return false;
    }
    put(&mut ring.memory, slot + H::FRAME_LEN, &(real_len as u32).to_ne_bytes());
    put(&mut ring.memory, slot + H::SNAPLEN, &(frame.len() as u32).to_ne_bytes());
    put(&mut ring.memory, slot + H::MAC, &(MAC as u16).to_ne_bytes());
    put(&mut ring.memory, slot + MAC, frame);
    // Other bits stand beside USER.
    let value = libc::TP_STATUS_USER | libc::TP_STATUS_TS_SOFTWARE | libc::TP_STATUS_CSUMNOTREADY;
    put(&mut ring.memory, slot + H::STATUS, &H::word(value));
    true
}

/// Fills a whole block as the kernel does; returns false if it is still ours.
fn produce_block(ring: &mut BlockRing, index: usize, frames: &[Vec<u8>]) -> bool {
    let block = index % BLOCKS.blocks * BLOCKS.block_size;
    let status = block + BLOCK_HEADER + offset_of!(libc::tpacket_hdr_v1, block_status);
    if half_word(&ring.memory, status).load(Ordering::Acquire) != libc::TP_STATUS_KERNEL {
        return false;
    }
    let first = 64;
    let mut at = first;
    for (n, frame) in frames.iter().enumerate() {
        let step = (MAC + frame.len()).next_multiple_of(8);
        let next = if n + 1 == frames.len() { 0 } else { step as u32 };
        put(&mut ring.memory, block + at + offset_of!(libc::tpacket3_hdr, tp_next_offset), &next.to_ne_bytes());
        put(&mut ring.memory, block + at + offset_of!(libc::tpacket3_hdr, tp_len), &(frame.len() as u32).to_ne_bytes());
        put(
            &mut ring.memory,
            block + at + offset_of!(libc::tpacket3_hdr, tp_snaplen),
            &(frame.len() as u32).to_ne_bytes(),
        );
        put(&mut ring.memory, block + at + offset_of!(libc::tpacket3_hdr, tp_mac), &(MAC as u16).to_ne_bytes());
        put(&mut ring.memory, block + at + MAC, frame);
        at += step;
    }
    let header = block + BLOCK_HEADER;
    put(&mut ring.memory, header + offset_of!(libc::tpacket_hdr_v1, num_pkts), &(frames.len() as u32).to_ne_bytes());
    put(
        &mut ring.memory,
        header + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt),
        &(first as u32).to_ne_bytes(),
    );
    half_word(&ring.memory, status).store(libc::TP_STATUS_USER | libc::TP_STATUS_BLK_TMO, Ordering::Release);
    true
}

/// What a consumer does next.
#[derive(Debug, Clone, Copy)]
struct Step {
    produce: usize,
    budget: usize,
    take: usize,
    /// Drains instead, and says that it will read so much of each frame.
    drain: Option<usize>,
    forget: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let drain = prop_oneof![Just(None), Just(Some(0)), (1..MAX_FRAME).prop_map(Some), Just(Some(usize::MAX))];
    (0..12usize, 0..6usize, 0..6usize, drain, any::<bool>()).prop_map(|(produce, budget, take, drain, forget)| Step {
        produce,
        budget,
        take,
        drain,
        forget,
    })
}

/// A sink that is a closure.
struct Each<F>(usize, F);

impl<F: FnMut(RxFrame<'_>)> FrameSink for Each<F> {
    fn frame(&mut self, frame: RxFrame<'_>) {
        self.1(frame);
    }

    fn prefetch_len(&mut self) -> usize {
        self.0
    }
}

/// The same to a ring of either kind.
macro_rules! consume {
    ($ring:expr, $step:expr, $left:expr, $each:expr) => {
        match $step.drain {
            Some(prefetch_len) => $ring.drain($left, &mut Each(prefetch_len, $each)),
            None => $ring.frames(&mut $left).take($step.take).for_each($each),
        }
    };
}

fn frame(number: usize) -> Vec<u8> {
    (0..number % MAX_FRAME).map(|at| (number + at) as u8).collect()
}

fn run_slots<H: Layout>(steps: &[Step]) {
    let mut ring = SlotRing::<H>::new(memory(SLOTS), SLOTS, WHOLE);
    let (mut produced, mut sent) = (0, VecDeque::new());
    for step in steps {
        for _ in 0..step.produce {
            let bytes = frame(produced);
            if produce_slot(&mut ring, produced, &bytes, bytes.len() + produced % 2) {
                sent.push_back((bytes.len() + produced % 2, bytes));
                produced += 1;
            }
        }
        ring.release();
        let mut left = ring.available(step.budget);
        assert_eq!(left, sent.len().min(step.budget));
        consume!(ring, step, left, |RxFrame { meta, bytes }: RxFrame<'_>| {
            let (len, expected) = sent.pop_front().unwrap();
            assert_eq!((meta.len, &*bytes), (len, &*expected));
        });
        if !step.forget {
            ring.release();
        }
    }
    ring.release();
    let mut left = ring.available(usize::MAX);
    assert_eq!(left, sent.len(), "what was not taken is still there");
    assert!(ring.frames(&mut left).zip(sent).all(|(frame, (_, expected))| *frame.bytes == *expected));
}

fn run_blocks(steps: &[Step]) {
    let mut ring = BlockRing::new(memory(BLOCKS), BLOCKS, WHOLE);
    let (mut produced, mut number, mut sent) = (0, 0, VecDeque::new());
    for step in steps {
        // An empty block is legal, too.
        let frames: Vec<_> = (number..number + step.produce % 4).map(frame).collect();
        if step.produce > 0 && produce_block(&mut ring, produced, &frames) {
            produced += 1;
            number += frames.len();
            sent.extend(frames);
        }
        let mut left = ring.available(step.budget);
        assert!(left <= step.budget);
        consume!(ring, step, left, |RxFrame { meta, bytes }: RxFrame<'_>| {
            let expected = sent.pop_front().unwrap();
            assert_eq!((meta.len, &*bytes), (expected.len(), &*expected));
        });
        if !step.forget {
            ring.release();
        }
    }
    // What is left comes out, up to the first block that the kernel still has.
    while ring.available(1) > 0 {
        let mut left = usize::MAX;
        let taken = ring.frames(&mut left).count();
        assert!(taken > 0 && taken <= sent.len());
        sent.drain(..taken);
    }
    assert!(sent.is_empty(), "{} frames lost", sent.len());
}

fn run_garbage<H: Layout>(lending: Lending, garbage: &[u8], steps: &[Step]) {
    let mut ring = SlotRing::<H>::new(memory(SLOTS), SLOTS, lending);
    let (start, len) = (ring.memory.start().as_ptr() as usize, ring.memory.len());
    for step in steps {
        put(&mut ring.memory, 0, garbage);
        ring.release();
        let mut left = ring.available(step.budget);
        let mut places = Vec::new();
        consume!(ring, step, left, |frame: RxFrame<'_>| places.push(place(start, len, &frame)));
        check_apart(places);
    }
}

/// Where a frame lies in the ring.
fn place(start: usize, len: usize, frame: &RxFrame<'_>) -> Range<usize> {
    let RxFrame { meta, bytes } = frame;
    let place = bytes.as_ptr() as usize - start..bytes.as_ptr() as usize - start + bytes.len();
    assert!(place.end <= len, "outside of the ring");
    assert!(meta.len >= bytes.len());
    place
}

/// Frames of one batch do not overlap.
fn check_apart(mut places: Vec<Range<usize>>) {
    places.retain(|place| !place.is_empty());
    places.sort_by_key(|place| place.start);
    assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start), "overlap");
}

proptest! {
    #[test]
    fn slots_v1_deliver_each_frame_once_in_order(steps in vec(step(), 1..200)) {
        run_slots::<V1>(&steps);
    }

    #[test]
    fn slots_v2_deliver_each_frame_once_in_order(steps in vec(step(), 1..200)) {
        run_slots::<V2>(&steps);
    }

    #[test]
    fn blocks_deliver_each_frame_once_in_order(steps in vec(step(), 1..200)) {
        run_blocks(&steps);
    }

    #[test]
    fn slots_full_of_garbage_stay_in_bounds(garbage in vec(any::<u8>(), SLOTS.len()), v1: bool, tags: bool, steps in vec(step(), 1..20)) {
        let lending = if tags { TAGGED } else { WHOLE };
        if v1 { run_garbage::<V1>(lending, &garbage, &steps) } else { run_garbage::<V2>(lending, &garbage, &steps) }
    }

    #[test]
    fn blocks_full_of_garbage_stay_in_bounds(
        garbage in vec(any::<u8>(), BLOCKS.len()),
        near in vec(0..1100u32, 64),
        tags: bool,
        steps in vec(step(), 1..20),
    ) {
        let mut ring = BlockRing::new(memory(BLOCKS), BLOCKS, if tags { TAGGED } else { WHOLE });
        let (start, len) = (ring.memory.start().as_ptr() as usize, ring.memory.len());
        for step in steps {
            put(&mut ring.memory, 0, &garbage);
            // Offsets and lengths that come close to the truth go further than random ones.
            for (n, value) in near.iter().enumerate() {
                put(&mut ring.memory, n * 48, &value.to_ne_bytes());
            }
            let mut left = ring.available(step.budget);
            let mut places = Vec::new();
            consume!(ring, step, left, |frame: RxFrame<'_>| places.push(place(start, len, &frame)));
            check_apart(places);
        }
    }
}

#[test]
fn slot_that_another_processor_is_still_filling_ends_a_batch() {
    let mut ring = SlotRing::<V2>::new(memory(SLOTS), SLOTS, WHOLE);
    let fill = |ring: &mut SlotRing<V2>| {
        (0..SLOTS.slots()).for_each(|number| assert!(produce_slot(ring, number, &[number as u8], 1)));
    };
    let take = |ring: &mut SlotRing<V2>| {
        let mut left = ring.available(usize::MAX);
        let taken: Vec<_> = ring.frames(&mut left).map(|frame| frame.bytes[0]).collect();
        assert_eq!(left, 0);
        taken
    };
    // Behind a full batch only the last slot is looked at.
    fill(&mut ring);
    assert_eq!(take(&mut ring), [0, 1, 2, 3, 4, 5, 6, 7]);
    ring.release();
    fill(&mut ring);
    V2::set_kernel(&ring.memory, 2 * SLOTS.frame_size);
    assert_eq!(take(&mut ring), [0, 1]);
    assert_eq!(take(&mut ring), []);
    assert!(produce_slot(&mut ring, 2, &[2], 1));
    assert_eq!(take(&mut ring), [2, 3, 4, 5, 6, 7]);
}

#[test]
fn frame_at_which_a_sink_panics_is_taken_and_its_slot_goes_back() {
    let mut ring = SlotRing::<V2>::new(memory(SLOTS), SLOTS, WHOLE);
    (0..3).for_each(|number| assert!(produce_slot(&mut ring, number, &[number as u8], 1)));
    let left = ring.available(usize::MAX);
    let mut sink = Each(0, |frame: RxFrame<'_>| assert_ne!(*frame.bytes, [1]));
    assert!(catch_unwind(AssertUnwindSafe(|| ring.drain(left, &mut sink))).is_err());
    ring.release();
    let owners: Vec<_> = (0..3).map(|slot| V2::status(&ring.memory, slot * SLOTS.frame_size) & 1).collect();
    assert_eq!(owners, [0, 0, 1]);
    let mut left = ring.available(usize::MAX);
    assert!(ring.frames(&mut left).map(|frame| frame.bytes[0]).eq([2]));
}

/// On a machine of 32 bits it is as long as all memory.
#[test]
fn length_that_no_frame_has_is_neither_lent_nor_asked_for() {
    let mut slots = SlotRing::<V2>::new(memory(SLOTS), SLOTS, WHOLE);
    (0..2).for_each(|number| assert!(produce_slot(&mut slots, number, &[1; 9], 9)));
    put(&mut slots.memory, SLOTS.frame_size + V2::SNAPLEN, &u32::MAX.to_ne_bytes());
    let (left, mut lens) = (slots.available(2), Vec::new());
    slots.drain(left, &mut Each(usize::MAX, |frame: RxFrame<'_>| lens.push(frame.bytes.len())));
    assert_eq!(lens, [9, 0]);

    let mut blocks = BlockRing::new(memory(BLOCKS), BLOCKS, WHOLE);
    assert!(produce_block(&mut blocks, 0, &[vec![1; 8], vec![1; 8]]));
    let second = 64 + (MAC + 8).next_multiple_of(8);
    put(&mut blocks.memory, second + offset_of!(libc::tpacket3_hdr, tp_snaplen), &u32::MAX.to_ne_bytes());
    let (left, mut lens) = (blocks.available(2), Vec::new());
    blocks.drain(left, &mut Each(usize::MAX, |frame: RxFrame<'_>| lens.push(frame.bytes.len())));
    assert_eq!(lens, [8, 0]);
}

#[test]
fn slots_do_not_cross_blocks() {
    let geometry = Geometry { block_size: 4096, blocks: 2, frame_size: 1104 };
    let steps = Steps::of(&geometry);
    let starts: Vec<_> = iter::successors(Some(0), |slot| Some(steps.behind(*slot))).take(7).collect();
    assert_eq!(starts, [0, 1104, 2208, 4096, 5200, 6304, 0]);
}
