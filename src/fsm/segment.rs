// SPDX-License-Identifier: GPL-2.0

//! The segment header: parse and emit (RFC 9293 section 3.1).

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

use super::options::{Options, OutOptions};
use super::seq::SeqNumber;

/// The octets of a header without options.
pub(crate) const MIN_HEADER_LEN: usize = 20;

/// The octets of the longest header.
#[cfg(test)]
pub(crate) const MAX_HEADER_LEN: usize = 60;

/// The control bits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// No bit.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self(0);
    /// No more data from the sender.
    pub(crate) const FIN: Self = Self(0x01);
    /// Sequence numbers are to be synchronized.
    pub(crate) const SYN: Self = Self(0x02);
    /// The connection is reset.
    pub(crate) const RST: Self = Self(0x04);
    /// What was sent is to be passed on at once.
    pub(crate) const PSH: Self = Self(0x08);
    /// The acknowledgment number counts.
    pub(crate) const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub(crate) const URG: Self = Self(0x20);
    /// Congestion was met (RFC 3168).
    pub(crate) const ECE: Self = Self(0x40);
    /// The congestion window was reduced (RFC 3168).
    pub(crate) const CWR: Self = Self(0x80);

    /// The flags of these bits, as in octet 13 of the header.
    #[inline]
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits, as in octet 13 of the header.
    #[inline]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all bits of `other` are set.
    #[inline]
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits but for those of `other`.
    #[inline]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bits of both, for use in constants.
    #[inline]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, rhs: Self) -> Self {
        self.union(rhs)
    }
}

impl BitOrAssign for Flags {
    #[inline]
    fn bitor_assign(&mut self, rhs: Self) {
        self.0 |= rhs.0;
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 8] = [
            (Flags::FIN, "FIN"),
            (Flags::SYN, "SYN"),
            (Flags::RST, "RST"),
            (Flags::PSH, "PSH"),
            (Flags::ACK, "ACK"),
            (Flags::URG, "URG"),
            (Flags::ECE, "ECE"),
            (Flags::CWR, "CWR"),
        ];
        let mut separator = "";
        for (flag, name) in NAMES {
            if self.contains(flag) {
                f.write_str(separator)?;
                f.write_str(name)?;
                separator = "|";
            }
        }
        if self.0 == 0 {
            f.write_str("none")?;
        }
        Ok(())
    }
}

/// Why octets are not a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// The segment, or the part of it at hand, ends within its header.
    Truncated,
    /// The data offset is less than the fixed header or more than the segment.
    BadDataOffset,
}

/// An arrived segment; its data stays with the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The sender's port.
    pub(crate) src_port: u16,
    /// The receiver's port.
    pub(crate) dst_port: u16,
    /// SEG.SEQ: the number of the first octet of data, or of the SYN.
    pub(crate) seq: SeqNumber,
    /// SEG.ACK: the next number that the sender expects; counts only with ACK.
    pub(crate) ack: SeqNumber,
    /// The control bits.
    pub(crate) flags: Flags,
    /// The window field as it was sent, not scaled.
    pub(crate) wnd: u16,
    /// SEG.UP: the urgent pointer; counts only with URG.
    pub(crate) urg: u16,
    /// The options.
    pub(crate) options: Options,
    /// Octets of the header, options included: 20 to 60.
    pub(crate) header_len: u8,
    /// Octets of data.
    pub(crate) payload_len: u32,
    /// The path has marked its packet: congestion was experienced (RFC 3168). Not in the header: IP tells.
    pub(crate) ce: bool,
    /// The host's network layer has joined several segments to this one: the octets of data in each of them but the last; 0: it is
    /// one segment.
    pub(crate) piece: u16,
}

impl Segment {
    /// Room for [`read`](Self::read): a segment that says nothing.
    #[inline]
    pub(crate) const fn empty() -> Self {
        Self {
            src_port: 0,
            dst_port: 0,
            seq: SeqNumber::from_raw(0),
            ack: SeqNumber::from_raw(0),
            flags: Flags::from_bits(0),
            wnd: 0,
            urg: 0,
            options: Options::none(),
            header_len: 0,
            payload_len: 0,
            ce: false,
            piece: 0,
        }
    }

    /// As [`read`](Self::read), by value.
    #[allow(dead_code, reason = "the module reads to where the segment stays")]
    pub(crate) fn parse(header: &[u8], segment_len: u32) -> Result<Self, ParseError> {
        let mut segment = Self::empty();
        segment.read(header, segment_len)?;
        Ok(segment)
    }

    /// Reads a header to an [empty](Self::empty) segment.
    ///
    /// `header` is the start of the segment, with the whole header in it; more does no harm. `segment_len` is the
    /// length of the whole segment in octets, as IP tells it. The checksum is not looked at.
    ///
    /// # Errors
    ///
    /// [`ParseError::Truncated`] if either is too short for the header; [`ParseError::BadDataOffset`] if the header
    /// claims to be shorter than 20 octets or longer than the segment. A bad option list is no error, see
    /// [`Options::malformed`].
    #[inline]
    pub(crate) fn read(&mut self, header: &[u8], segment_len: u32) -> Result<(), ParseError> {
        let Some((fixed, options)) = header.split_first_chunk::<MIN_HEADER_LEN>() else {
            return Err(ParseError::Truncated);
        };
        // The checksum, octets 16 and 17, is the caller's.
        let [p0, p1, p2, p3, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1] =
            *fixed;
        // RFC 9293 3.1: the data offset counts 32-bit words; the other four bits are reserved.
        let header_len = (offset >> 4) * 4;
        let Some(options_len) = usize::from(header_len).checked_sub(MIN_HEADER_LEN) else {
            return Err(ParseError::BadDataOffset);
        };
        let Some(payload_len) = segment_len.checked_sub(u32::from(header_len)) else {
            return Err(if segment_len < MIN_HEADER_LEN as u32 {
                ParseError::Truncated
            } else {
                ParseError::BadDataOffset
            });
        };
        let Some(options) = options.get(..options_len) else {
            return Err(ParseError::Truncated);
        };
        self.src_port = u16::from_be_bytes([p0, p1]);
        self.dst_port = u16::from_be_bytes([p2, p3]);
        self.seq = SeqNumber::from_raw(u32::from_be_bytes([s0, s1, s2, s3]));
        self.ack = SeqNumber::from_raw(u32::from_be_bytes([a0, a1, a2, a3]));
        self.flags = Flags::from_bits(flags);
        self.wnd = u16::from_be_bytes([w0, w1]);
        self.urg = u16::from_be_bytes([u0, u1]);
        self.options.read(options);
        self.header_len = header_len;
        self.payload_len = payload_len;
        Ok(())
    }

    /// SEG.LEN: the sequence numbers that the segment takes, SYN and FIN included (RFC 9293 section 3.4).
    #[inline]
    pub(crate) const fn seg_len(&self) -> u32 {
        seg_len(self.payload_len, self.flags)
    }
}

/// A segment to be sent. Its data, if any, is the send stream's octets from `seq` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentOut {
    /// The number of the first octet of data, or of the SYN.
    pub(crate) seq: SeqNumber,
    /// The next number that we expect; zero without ACK.
    pub(crate) ack: SeqNumber,
    /// The control bits.
    pub(crate) flags: Flags,
    /// The window field as it is sent, scaled already.
    pub(crate) wnd: u16,
    /// The urgent pointer; zero without URG.
    pub(crate) urg: u16,
    /// The options.
    pub(crate) options: OutOptions,
    /// Octets of data.
    pub(crate) payload_len: u32,
    /// The path may mark its packet instead of dropping it: ECT(0) of RFC 3168.
    pub(crate) ect: bool,
    /// It stands for a run of segments, which a lower layer cuts it into: the octets of data in each of them but the last. 0: it
    /// is one segment. See [`pieces`](Self::pieces).
    pub(crate) piece: u16,
}

impl SegmentOut {
    /// Octets of the header, options included: 20 to 60, a multiple of four.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len(self.flags.contains(Flags::SYN))
    }

    /// SEG.LEN: the sequence numbers that the segment takes, SYN and FIN included (RFC 9293 section 3.4).
    #[cfg(test)]
    pub(crate) const fn seg_len(&self) -> u32 {
        seg_len(self.payload_len, self.flags)
    }

    /// Writes the header, with zero for the checksum, to the start of `buf`, and returns its length; `None` if `buf`
    /// is too short for it.
    #[allow(dead_code, reason = "the module has room of that length")]
    pub(crate) fn emit(&self, src_port: u16, dst_port: u16, buf: &mut [u8]) -> Option<usize> {
        let header = buf.get_mut(..self.header_len())?;
        self.fill(src_port, dst_port, header)?;
        Some(header.len())
    }

    /// Writes the header, with zero for the checksum, to `header`, which has exactly its length; `None` if it has not.
    #[inline(always)]
    pub(crate) fn fill(&self, src_port: u16, dst_port: u16, header: &mut [u8]) -> Option<()> {
        let header_len = header.len();
        let (fixed, options) = header.split_first_chunk_mut::<MIN_HEADER_LEN>()?;
        let ports = u32::from(src_port) << 16 | u32::from(dst_port);
        // The data offset counts 32-bit words; at most 15 of them.
        let control = (header_len as u32 / 4) << 28
            | u32::from(self.flags.bits()) << 16
            | u32::from(self.wnd);
        fixed[0..4].copy_from_slice(&ports.to_be_bytes());
        fixed[4..8].copy_from_slice(&self.seq.raw().to_be_bytes());
        fixed[8..12].copy_from_slice(&self.ack.raw().to_be_bytes());
        fixed[12..16].copy_from_slice(&control.to_be_bytes());
        // The checksum, then the urgent pointer.
        fixed[16..20].copy_from_slice(&u32::from(self.urg).to_be_bytes());
        self.options.emit(self.flags.contains(Flags::SYN), options)
    }
}

/// The sequence numbers that data of this length and these flags take.
#[inline]
const fn seg_len(payload_len: u32, flags: Flags) -> u32 {
    let control = (flags.bits() & Flags::FIN.bits()) + ((flags.bits() & Flags::SYN.bits()) >> 1);
    // No data from IP is as long as to wrap.
    payload_len.wrapping_add(control as u32)
}

#[cfg(test)]
mod tests;
