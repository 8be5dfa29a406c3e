// SPDX-License-Identifier: GPL-2.0

//! How large a socket's buffers should be: as large as the flow needs, so that neither end waits for memory, and no larger.
//! The owner sets them, within the namespace's limits, unless the program has set a size itself.

use super::congestion::Congestion;
use super::records::RecordList;
use super::tcb::Tcb;

/// The least window, in segments, that a send buffer is made for (RFC 6928).
const MIN_SEGMENTS: u32 = 10;

/// What is acknowledged one by one, and what is queued meanwhile: a window of each.
const WINDOWS: u32 = 2;

impl<L: RecordList> Tcb<L> {
    /// The octets of data that the send buffer should hold: a congestion window in flight, and one more that is ready when the
    /// window of slow start doubles.
    #[inline]
    pub(crate) fn send_buffer_wanted(&self) -> u32 {
        let mss = u32::from(self.effective_mss());
        send_buffer(&self.congestion, mss)
    }
}

fn send_buffer(congestion: &Congestion, mss: u32) -> u32 {
    congestion
        .cwnd()
        .max(mss.saturating_mul(MIN_SEGMENTS))
        .saturating_mul(WINDOWS)
}

#[cfg(test)]
mod tests {
    use super::super::congestion::Kind;
    use super::super::time::Instant;
    use super::*;

    #[test]
    fn the_send_buffer_holds_two_windows() {
        let mut congestion = Congestion::new(Kind::Reno, 1_000);
        assert_eq!(send_buffer(&congestion, 1_000), 20_000);
        congestion.on_ack(Instant::from_us(1), 2_000, 1_000, None, 0, true);
        assert_eq!(send_buffer(&congestion, 1_000), 24_000);
        // A small window is no reason to let the program wait.
        congestion.on_timeout(Instant::from_us(2), 12_000, 1_000);
        assert_eq!(congestion.cwnd(), 1_000);
        assert_eq!(send_buffer(&congestion, 1_000), 20_000);
    }
}
