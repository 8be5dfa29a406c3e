// SPDX-License-Identifier: GPL-2.0

//! TCP options: parse and emit (RFC 9293 section 3.2, RFC 7323, RFC 2018).
//!
//! What is done with a bad option list: parsing stops at the bad option, what stood before it holds, and
//! [`Options::malformed`] is set. Bad is an option whose length is less than two or runs beyond the header, and one
//! that is known and does not have its length. Of a repeated option the last one holds.

use super::seq::SeqNumber;

const KIND_END: u8 = 0;
const KIND_NOP: u8 = 1;
const KIND_MSS: u8 = 2;
const KIND_WINDOW_SCALE: u8 = 3;
const KIND_SACK_PERMITTED: u8 = 4;
const KIND_SACK: u8 = 5;
const KIND_TIMESTAMPS: u8 = 8;

const LEN_MSS: u8 = 4;
const LEN_WINDOW_SCALE: u8 = 3;
const LEN_SACK_PERMITTED: u8 = 2;
const LEN_TIMESTAMPS: u8 = 10;

/// The largest window scale; a larger one is taken for it (RFC 7323 section 2.3).
pub(crate) const MAX_WINDOW_SCALE: u8 = 14;

/// The most octets that the options of one segment can take.
#[cfg(test)]
pub(crate) const MAX_OPTIONS_LEN: usize = 40;

/// NOP, NOP, kind and length of the timestamps: how the options of most segments start.
const ALIGNED_TIMESTAMPS: u32 =
    u32::from_be_bytes([KIND_NOP, KIND_NOP, KIND_TIMESTAMPS, LEN_TIMESTAMPS]);

/// The timestamps option (RFC 7323 section 3), in ticks of its sender's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamps {
    /// TSval: the sender's clock.
    pub(crate) val: u32,
    /// TSecr: the value that is echoed.
    pub(crate) ecr: u32,
}

impl Timestamps {
    /// The option's two values from its last eight octets.
    #[inline]
    fn from_bytes(bytes: [u8; 8]) -> Self {
        let both = u64::from_be_bytes(bytes);
        Self {
            val: (both >> 32) as u32,
            ecr: both as u32,
        }
    }
}

/// A range of sequence numbers that has arrived out of order: from `left` up to and without `right`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SackBlock {
    /// The first sequence number of the range.
    pub(crate) left: SeqNumber,
    /// The first sequence number after the range.
    pub(crate) right: SeqNumber,
}

/// The blocks of a selective acknowledgment (RFC 2018), up to four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SackBlocks {
    blocks: [SackBlock; Self::MAX],
    // At most MAX; the blocks from here on are zero.
    len: u8,
}

impl SackBlocks {
    /// As many blocks as fit into a header.
    pub(crate) const MAX: usize = 4;

    /// No blocks.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            blocks: [SackBlock {
                left: SeqNumber::from_raw(0),
                right: SeqNumber::from_raw(0),
            }; Self::MAX],
            len: 0,
        }
    }

    /// Adds a block at the end; false if there are four already.
    #[inline]
    pub(crate) fn push(&mut self, left: SeqNumber, right: SeqNumber) -> bool {
        match self.blocks.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = SackBlock { left, right };
                self.len = self.len.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// The blocks, in the order of the wire.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[SackBlock] {
        self.blocks
            .get(..usize::from(self.len))
            .unwrap_or(&self.blocks)
    }
}

/// What the options of a segment say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The largest segment that the peer takes, in octets, as it was sent. It counts only in a SYN.
    pub(crate) mss: Option<u16>,
    /// The shift of the peer's windows, never more than [`MAX_WINDOW_SCALE`]. It counts only in a SYN.
    pub(crate) wscale: Option<u8>,
    /// Whether the peer takes selective acknowledgments. It counts only in a SYN.
    pub(crate) sack_permitted: bool,
    /// The timestamps.
    pub(crate) timestamps: Option<Timestamps>,
    /// The selective acknowledgment.
    pub(crate) sack: SackBlocks,
    /// The list was bad from some option on; that one and what followed is not in here.
    pub(crate) malformed: bool,
}

impl Options {
    /// No options at all.
    #[inline]
    pub(crate) const fn none() -> Self {
        Self {
            mss: None,
            wscale: None,
            sack_permitted: false,
            timestamps: None,
            sack: SackBlocks::new(),
            malformed: false,
        }
    }

    /// Reads the octets between the fixed header and the data; none was read before. Total: any octets do.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // Nearly every segment carries just this.
        if let Some((word, values)) = bytes.split_first_chunk() {
            if u32::from_be_bytes(*word) == ALIGNED_TIMESTAMPS {
                if let Ok(values) = <[u8; 8]>::try_from(values) {
                    self.timestamps = Some(Timestamps::from_bytes(values));
                    return;
                }
            }
        }
        self.malformed = !self.read_common_syn(bytes) && self.read_list(bytes).is_none();
    }

    /// Reads what nearly every SYN carries, in the order of Linux and of [`OutOptions::emit`]; false, and nothing was read: it is
    /// something else.
    #[inline]
    fn read_common_syn(&mut self, bytes: &[u8]) -> bool {
        const SACK_AND_TIMESTAMPS: [u8; 4] = [
            KIND_SACK_PERMITTED,
            LEN_SACK_PERMITTED,
            KIND_TIMESTAMPS,
            LEN_TIMESTAMPS,
        ];
        let Ok(list) = <[u8; 20]>::try_from(bytes) else {
            return false;
        };
        let [KIND_MSS, LEN_MSS, high, low, s0, s1, s2, s3, v0, v1, v2, v3, e0, e1, e2, e3, KIND_NOP, KIND_WINDOW_SCALE, LEN_WINDOW_SCALE, scale] =
            list
        else {
            return false;
        };
        if [s0, s1, s2, s3] != SACK_AND_TIMESTAMPS {
            return false;
        }
        self.mss = Some(u16::from_be_bytes([high, low]));
        self.sack_permitted = true;
        self.timestamps = Some(Timestamps::from_bytes([v0, v1, v2, v3, e0, e1, e2, e3]));
        self.set_scale(scale);
        true
    }

    /// RFC 7323 2.3: a larger scale is used as 14.
    #[inline]
    fn set_scale(&mut self, scale: u8) {
        self.wscale = Some(if scale > MAX_WINDOW_SCALE {
            MAX_WINDOW_SCALE
        } else {
            scale
        });
    }

    /// The general case: one option after the other; `None` when one is bad.
    fn read_list(&mut self, mut rest: &[u8]) -> Option<()> {
        while let Some((&kind, tail)) = rest.split_first() {
            match kind {
                KIND_END => break,
                KIND_NOP => rest = tail,
                // RFC 9293 3.2: every other option has a length that covers its kind and itself.
                _ => {
                    let (&len, tail) = tail.split_first()?;
                    let body_len = usize::from(len).checked_sub(2)?;
                    let (body, tail) = tail.split_at_checked(body_len)?;
                    self.take_option(kind, body)?;
                    rest = tail;
                }
            }
        }
        Some(())
    }

    /// Takes one option, without its kind and length; `None` when its length is not the one of its kind.
    #[inline]
    fn take_option(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        match kind {
            KIND_MSS => self.mss = Some(u16::from_be_bytes(body.try_into().ok()?)),
            KIND_WINDOW_SCALE => {
                let [scale] = body.try_into().ok()?;
                self.set_scale(scale);
            }
            KIND_SACK_PERMITTED => {
                if !body.is_empty() {
                    return None;
                }
                self.sack_permitted = true;
            }
            KIND_SACK => self.sack = parse_sack(body)?,
            KIND_TIMESTAMPS => {
                self.timestamps = Some(Timestamps::from_bytes(body.try_into().ok()?));
            }
            // RFC 9293 3.2: an unknown option is skipped by its length.
            _ => {}
        }
        Some(())
    }
}

/// Reads the blocks of a selective acknowledgment; `None` unless there are one to four whole ones.
fn parse_sack(mut body: &[u8]) -> Option<SackBlocks> {
    let mut sack = SackBlocks::new();
    while let Some((block, tail)) = body.split_first_chunk::<8>() {
        let edges = Timestamps::from_bytes(*block);
        if !sack.push(
            SeqNumber::from_raw(edges.val),
            SeqNumber::from_raw(edges.ecr),
        ) {
            return None;
        }
        body = tail;
    }
    (body.is_empty() && !sack.as_slice().is_empty()).then_some(sack)
}

/// The options of a segment to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutOptions {
    /// The largest segment that we take, in octets. Sent only in a SYN.
    pub(crate) mss: Option<u16>,
    /// The shift of our windows. Sent only in a SYN.
    pub(crate) wscale: Option<u8>,
    /// Whether we take selective acknowledgments. Sent only in a SYN.
    pub(crate) sack_permitted: bool,
    /// The timestamps.
    pub(crate) timestamps: Option<Timestamps>,
    /// What we hold out of order. Sent only without SYN; as many blocks as fit.
    pub(crate) sack: SackBlocks,
}

impl OutOptions {
    /// No options at all.
    #[inline]
    pub(crate) const fn none() -> Self {
        Self {
            mss: None,
            wscale: None,
            sack_permitted: false,
            timestamps: None,
            sack: SackBlocks::new(),
        }
    }

    /// The octets that [`emit`](Self::emit) writes: a multiple of four, at most 40.
    #[inline]
    pub(crate) fn len(&self, syn: bool) -> usize {
        let timestamps = match self.timestamps {
            Some(_) => 12,
            None => 0,
        };
        if syn {
            let mss = if self.mss.is_some() { 4 } else { 0 };
            let wscale = if self.wscale.is_some() { 4 } else { 0 };
            // With timestamps it stands in the place of their two NOPs.
            let sack_permitted = if self.sack_permitted && timestamps == 0 {
                4
            } else {
                0
            };
            mss + timestamps + sack_permitted + wscale
        } else {
            match self.sack.len {
                0 => timestamps,
                _ => timestamps + 4 + 8 * self.sack_that_fits().len(),
            }
        }
    }

    /// Writes the options to the start of `rest`, in the order and alignment in which Linux sends them; `syn` tells
    /// whether the segment carries SYN. `None` if `rest` is shorter than [`len`](Self::len).
    #[inline]
    pub(crate) fn emit(&self, syn: bool, rest: &mut [u8]) -> Option<()> {
        let mut words = Words { rest };
        if syn {
            self.emit_syn(&mut words)
        } else {
            if let Some(timestamps) = self.timestamps {
                words.put(ALIGNED_TIMESTAMPS)?;
                words.put(timestamps.val)?;
                words.put(timestamps.ecr)?;
            }
            self.emit_sack(&mut words)
        }
    }

    /// The options of a SYN. RFC 9293 3.7.1, RFC 7323 2.2 and RFC 2018 section 2: these stand in a SYN only.
    fn emit_syn(&self, words: &mut Words<'_>) -> Option<()> {
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            words.put_bytes([KIND_MSS, LEN_MSS, high, low])?;
        }
        let [kind, len] = if self.sack_permitted {
            [KIND_SACK_PERMITTED, LEN_SACK_PERMITTED]
        } else {
            [KIND_NOP, KIND_NOP]
        };
        if let Some(timestamps) = self.timestamps {
            words.put_bytes([kind, len, KIND_TIMESTAMPS, LEN_TIMESTAMPS])?;
            words.put(timestamps.val)?;
            words.put(timestamps.ecr)?;
        } else if self.sack_permitted {
            words.put_bytes([KIND_NOP, KIND_NOP, kind, len])?;
        }
        if let Some(wscale) = self.wscale {
            words.put_bytes([KIND_NOP, KIND_WINDOW_SCALE, LEN_WINDOW_SCALE, wscale])?;
        }
        Some(())
    }

    /// The selective acknowledgment.
    fn emit_sack(&self, words: &mut Words<'_>) -> Option<()> {
        if self.sack.len == 0 {
            return Some(());
        }
        let blocks = self.sack_that_fits();
        // At most 34, the length of four blocks.
        let len = (2 + 8 * blocks.len()) as u8;
        words.put_bytes([KIND_NOP, KIND_NOP, KIND_SACK, len])?;
        for block in blocks {
            words.put(block.left.raw())?;
            words.put(block.right.raw())?;
        }
        Some(())
    }

    /// The blocks for which there is room: with timestamps only three.
    #[inline]
    fn sack_that_fits(&self) -> &[SackBlock] {
        let blocks = self.sack.as_slice();
        match self.timestamps {
            Some(_) => blocks.get(..SackBlocks::MAX - 1).unwrap_or(blocks),
            None => blocks,
        }
    }
}

/// Writes 32-bit words one after the other.
struct Words<'a> {
    rest: &'a mut [u8],
}

impl Words<'_> {
    /// Writes a word in network order; `None` if there is no room left.
    #[inline]
    fn put(&mut self, word: u32) -> Option<()> {
        self.put_bytes(word.to_be_bytes())
    }

    /// Writes four octets; `None` if there is no room left.
    #[inline]
    fn put_bytes(&mut self, bytes: [u8; 4]) -> Option<()> {
        let (slot, rest) = core::mem::take(&mut self.rest).split_first_chunk_mut()?;
        *slot = bytes;
        self.rest = rest;
        Some(())
    }
}

#[cfg(test)]
mod tests;
