use core::time::Duration;

use crate::error::SnapshotError;

/// Walks through the fields of a snapshot in the order of its layout: one [writes](Writer) them, the other [reads](Reader) them anew. So the layout
/// stands in one place for both directions.
pub(super) trait Codec {
    /// The next bytes: `field` itself, or what is to be put there.
    fn bytes(&mut self, field: &mut [u8]) -> Result<(), SnapshotError>;

    /// Bytes in all.
    fn len(&self) -> usize;

    /// Bytes passed so far.
    fn offset(&self) -> usize;

    /// The field just passed has a value that no snapshot has.
    fn malformed(&self) -> SnapshotError {
        SnapshotError::Malformed { end: self.offset() }
    }

    fn u16(&mut self, field: &mut u16) -> Result<(), SnapshotError> {
        let mut bytes = field.to_le_bytes();
        self.bytes(&mut bytes)?;
        *field = u16::from_le_bytes(bytes);
        Ok(())
    }

    fn u32(&mut self, field: &mut u32) -> Result<(), SnapshotError> {
        let mut bytes = field.to_le_bytes();
        self.bytes(&mut bytes)?;
        *field = u32::from_le_bytes(bytes);
        Ok(())
    }

    fn u64(&mut self, field: &mut u64) -> Result<(), SnapshotError> {
        let mut bytes = field.to_le_bytes();
        self.bytes(&mut bytes)?;
        *field = u64::from_le_bytes(bytes);
        Ok(())
    }

    /// Four bytes for a length that has to fit.
    fn length(&mut self, field: &mut usize) -> Result<(), SnapshotError> {
        let mut value = u32::try_from(*field).map_err(|_| self.malformed())?;
        self.u32(&mut value)?;
        *field = usize::try_from(value).map_err(|_| self.malformed())?;
        Ok(())
    }

    /// Eight bytes for a number that has to fit.
    fn size(&mut self, field: &mut usize) -> Result<(), SnapshotError> {
        let mut value = *field as u64;
        self.u64(&mut value)?;
        *field = usize::try_from(value).map_err(|_| self.malformed())?;
        Ok(())
    }

    /// Eight bytes for a number that wraps.
    fn counter(&mut self, field: &mut usize) -> Result<(), SnapshotError> {
        let mut value = *field as u64;
        self.u64(&mut value)?;
        *field = value as usize;
        Ok(())
    }

    /// Four bytes, from bit 0 on.
    fn flags<const N: usize>(&mut self, flags: [&mut bool; N]) -> Result<(), SnapshotError> {
        let bit = |(at, flag): (usize, &&mut bool)| u32::from(**flag) << at;
        let mut bits = flags.iter().enumerate().map(bit).sum();
        self.u32(&mut bits)?;
        for flag in flags {
            *flag = bits & 1 != 0;
            bits >>= 1;
        }
        if bits == 0 { Ok(()) } else { Err(self.malformed()) }
    }

    fn duration(&mut self, field: &mut Duration) -> Result<(), SnapshotError> {
        let (mut seconds, mut nanoseconds) = (field.as_secs(), field.subsec_nanos());
        self.u64(&mut seconds)?;
        self.u32(&mut nanoseconds)?;
        if nanoseconds >= NANOSECONDS_PER_SECOND {
            return Err(self.malformed());
        }
        *field = Duration::new(seconds, nanoseconds);
        Ok(())
    }
}

/// Writes fields.
pub(super) struct Writer<'b> {
    bytes: &'b mut [u8],
    at: usize,
}

impl<'b> Writer<'b> {
    pub(super) const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Codec for Writer<'_> {
    fn bytes(&mut self, field: &mut [u8]) -> Result<(), SnapshotError> {
        let end = self.at + field.len();
        let room = self.bytes.get_mut(self.at..end).ok_or(SnapshotError::BufferTooShort { needed: end })?;
        room.copy_from_slice(field);
        self.at = end;
        Ok(())
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn offset(&self) -> usize {
        self.at
    }
}

/// Reads fields.
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Codec for Reader<'_> {
    fn bytes(&mut self, field: &mut [u8]) -> Result<(), SnapshotError> {
        let end = self.at + field.len();
        let given = self.bytes.len();
        field.copy_from_slice(self.bytes.get(self.at..end).ok_or(SnapshotError::Length { expected: end, given })?);
        self.at = end;
        Ok(())
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn offset(&self) -> usize {
        self.at
    }
}

const NANOSECONDS_PER_SECOND: u32 = 1_000_000_000;
