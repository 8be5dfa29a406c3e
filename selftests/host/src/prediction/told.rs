// SPDX-License-Identifier: GPL-2.0

//! What the peer says, legal or not: as a line of drill, and as the octets that the host gets.

use super::model::{letters, Model};

/// What makes a segment none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Harm {
    #[default]
    None,
    Checksum,
    /// The data offset says so many words.
    DataOffset(u8),
    /// So many octets are left of it.
    Cut(u8),
}

/// A segment of the peer, its numbers relative to the initial ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) wnd: u16,
    pub(super) urg: u16,
    pub(super) len: u32,
    pub(super) harm: Harm,
    /// Octets of the options, and their words.
    pub(super) options: (Vec<u8>, String),
    /// The words are to be followed by the last timestamp that the host sent.
    pub(super) echoes: bool,
}

impl Told {
    /// The line of drill that sends it.
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "< {} seq {} ack {} win {} len {}",
            letters(self.flags),
            self.seq,
            self.ack,
            self.wnd,
            self.len
        );
        if !self.options.1.is_empty() {
            line += &format!(" <{}>", self.options.1);
        }
        if self.urg != 0 {
            line += &format!(" urg {}", self.urg);
        }
        match self.harm {
            Harm::None => {}
            Harm::Checksum => line += " badsum",
            Harm::DataOffset(words) => line += &format!(" doff {words}"),
            Harm::Cut(octets) => line += &format!(" trunc {octets}"),
        }
        line
    }

    /// Its octets, as that host gets them; those of the data do not matter.
    pub(super) fn wire(&self, host: &Model) -> Vec<u8> {
        let mut options = self.options.0.clone();
        if self.echoes {
            if let Some(at) = options.windows(2).position(|pair| pair == [8, 10]) {
                options[at + 6..at + 10].copy_from_slice(&host.stamp.to_be_bytes());
            }
        }
        options.resize(options.len().next_multiple_of(4), 0);
        let mut octets = vec![0; 20];
        octets[4..8].copy_from_slice(&host.irs.wrapping_add(self.seq).to_be_bytes());
        octets[8..12].copy_from_slice(&host.base().wrapping_add(self.ack).to_be_bytes());
        octets[12] = (((20 + options.len()) / 4) << 4) as u8;
        octets[13] = self.flags;
        octets[14..16].copy_from_slice(&self.wnd.to_be_bytes());
        octets[18..20].copy_from_slice(&self.urg.to_be_bytes());
        octets.extend(options);
        octets.resize(octets.len() + self.len as usize, 0);
        match self.harm {
            Harm::DataOffset(words) => octets[12] = words << 4,
            Harm::Cut(len) => octets.truncate(usize::from(len)),
            Harm::None | Harm::Checksum => {}
        }
        octets
    }
}
