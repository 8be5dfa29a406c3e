// SPDX-License-Identifier: GPL-2.0

//! Unit tests of the header and the options on the wire.

use super::super::options::Timestamps;
use super::*;

/// A captured handshake of two Linux hosts over IPv4; each packet starts with its IP header of 20 octets.
const SYN: &str =
    "4510003c2db8400040069e0c0af9ac2a0af9accb808018ea51943a0300000000a00272106f160000\
                   020405b40402080ab51917bb0000000001030307";
const SYN_ACK: &str =
    "4500003c000040003f06ccd40af9accb0af9ac2a18ea8080abd6e93c51943a04a0127120e5f80000\
                       020405b40402080a873e73c5b51917bb01030307";
const ACK: &str =
    "451000342db9400040069e130af9ac2a0af9accb808018ea51943a04abd6e93d801000e56f0e0000\
                   0101080ab51917bb873e73c5";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// The TCP part of a captured packet.
fn tcp_part(packet: &str) -> Vec<u8> {
    octets(packet).split_off(20)
}

fn parse(octets: &[u8]) -> Result<Segment, ParseError> {
    Segment::parse(octets, octets.len() as u32)
}

/// The sum of all 16-bit words in ones' complement, folded (RFC 1071).
fn folded_sum(octets: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The pseudo-header of a captured packet for a protocol number.
fn pseudo_header(packet: &[u8], protocol: u8) -> Vec<u8> {
    let mut pseudo = packet[12..20].to_vec();
    pseudo.extend([0, protocol]);
    pseudo.extend((packet.len() as u16 - 20).to_be_bytes());
    pseudo
}

fn sent(flags: Flags, options: OutOptions) -> SegmentOut {
    SegmentOut {
        seq: SeqNumber::from_raw(0x0102_0304),
        ack: SeqNumber::from_raw(0x0506_0708),
        flags,
        wnd: 0x090a,
        urg: 0x0b0c,
        options,
        payload_len: 0,
        ect: false,
        piece: 0,
    }
}

fn handshake_out() -> [(SegmentOut, u16, u16, &'static str); 3] {
    let syn_options = OutOptions {
        mss: Some(1460),
        wscale: Some(7),
        sack_permitted: true,
        timestamps: Some(Timestamps {
            val: 3_038_320_571,
            ecr: 0,
        }),
        ..OutOptions::none()
    };
    let syn = SegmentOut {
        seq: SeqNumber::from_raw(1_368_668_675),
        ack: SeqNumber::from_raw(0),
        flags: Flags::SYN,
        wnd: 29_200,
        urg: 0,
        options: syn_options,
        payload_len: 0,
        ect: false,
        piece: 0,
    };
    let syn_ack = SegmentOut {
        seq: SeqNumber::from_raw(2_882_988_348),
        ack: SeqNumber::from_raw(1_368_668_676),
        flags: Flags::SYN | Flags::ACK,
        wnd: 28_960,
        options: OutOptions {
            timestamps: Some(Timestamps {
                val: 2_269_017_029,
                ecr: 3_038_320_571,
            }),
            ..syn_options
        },
        ..syn
    };
    let ack = SegmentOut {
        seq: SeqNumber::from_raw(1_368_668_676),
        ack: SeqNumber::from_raw(2_882_988_349),
        flags: Flags::ACK,
        wnd: 229,
        options: OutOptions {
            timestamps: Some(Timestamps {
                val: 3_038_320_571,
                ecr: 2_269_017_029,
            }),
            ..OutOptions::none()
        },
        ..syn
    };
    [
        (syn, 32_896, 6_378, SYN),
        (syn_ack, 6_378, 32_896, SYN_ACK),
        (ack, 32_896, 6_378, ACK),
    ]
}

#[test]
fn a_real_handshake_is_read() {
    for (out, src_port, dst_port, packet) in handshake_out() {
        let octets = tcp_part(packet);
        let segment = parse(&octets).unwrap();
        assert_eq!((segment.src_port, segment.dst_port), (src_port, dst_port));
        assert_eq!((segment.seq, segment.ack), (out.seq, out.ack));
        assert_eq!(segment.flags, out.flags);
        assert_eq!((segment.wnd, segment.urg), (out.wnd, out.urg));
        let options = Options {
            mss: out.options.mss,
            wscale: out.options.wscale,
            sack_permitted: out.options.sack_permitted,
            timestamps: out.options.timestamps,
            ..Options::none()
        };
        assert_eq!(segment.options, options);
        assert_eq!(usize::from(segment.header_len), octets.len());
        assert_eq!(segment.payload_len, 0);
    }
}

#[test]
fn a_real_handshake_is_written_octet_by_octet() {
    for (out, src_port, dst_port, packet) in handshake_out() {
        let mut expected = tcp_part(packet);
        expected[16..18].fill(0);
        let mut buf = [0xff; MAX_HEADER_LEN];
        let len = out.emit(src_port, dst_port, &mut buf).unwrap();
        assert_eq!(buf[..len], expected);
        assert_eq!(len, out.header_len());
        // The octets behind the header are not touched.
        assert!(buf[len..].iter().all(|&octet| octet == 0xff));
    }
}

#[test]
fn the_checksums_of_the_real_handshake_are_as_captured() {
    for packet in [SYN, SYN_ACK, ACK] {
        assert_eq!(folded_sum(&octets(packet)[..20]), 0xffff);
    }
    // Received from the wire: right under protocol 6, and only there.
    let packet = octets(SYN_ACK);
    let sum = |protocol| folded_sum(&[&pseudo_header(&packet, protocol), &packet[20..]].concat());
    assert_eq!(sum(6), 0xffff);
    assert_ne!(sum(253), 0xffff);
    // Captured on their sender: the field holds the sum of the pseudo-header alone.
    for packet in [SYN, ACK] {
        let packet = octets(packet);
        let pseudo = pseudo_header(&packet, 6);
        assert_eq!(packet[36..38], folded_sum(&pseudo).to_be_bytes());
        assert_ne!(folded_sum(&[&pseudo, &packet[20..]].concat()), 0xffff);
    }
}

#[test]
fn each_field_of_the_header_has_its_place() {
    let octets: Vec<u8> = (1..=12)
        .chain([0x50, 0x29, 15, 16, 17, 18, 19, 20])
        .collect();
    let segment = parse(&octets).unwrap();
    let expected = Segment {
        src_port: 0x0102,
        dst_port: 0x0304,
        seq: SeqNumber::from_raw(0x0506_0708),
        ack: SeqNumber::from_raw(0x090a_0b0c),
        flags: Flags::URG | Flags::PSH | Flags::FIN,
        wnd: 0x0f10,
        urg: 0x1314,
        options: Options::none(),
        header_len: 20,
        payload_len: 0,
        ce: false,
        piece: 0,
    };
    assert_eq!(segment, expected);
    let out = sent(Flags::URG | Flags::CWR, OutOptions::none());
    let mut buf = [0xff; 20];
    assert_eq!(out.emit(0x1112, 0x1314, &mut buf), Some(20));
    assert_eq!(
        buf,
        [0x11, 0x12, 0x13, 0x14, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0xa0, 9, 0x0a, 0, 0, 0x0b, 0x0c]
    );
}

#[test]
fn must_1_the_window_is_an_unsigned_number() {
    let mut octets = tcp_part(ACK);
    octets[14..16].copy_from_slice(&[0xff, 0xff]);
    let segment = parse(&octets).unwrap();
    assert_eq!(u32::from(segment.wnd), 65_535);
    let out = SegmentOut {
        wnd: 0x8001,
        ..sent(Flags::ACK, OutOptions::none())
    };
    let mut buf = [0; 20];
    out.emit(1, 2, &mut buf).unwrap();
    assert_eq!(buf[14..16], [0x80, 0x01]);
}

#[test]
fn must_5_an_option_is_read_in_any_segment() {
    for flags in 0..=255 {
        let mut octets = tcp_part(SYN);
        octets[13] = flags;
        let segment = parse(&octets).unwrap();
        assert_eq!(segment.flags.bits(), flags);
        assert_eq!(segment.options.mss, Some(1460));
        assert!(segment.options.timestamps.is_some());
    }
}

#[test]
fn must_7_a_bad_option_list_does_not_hide_the_segment() {
    let mut octets = tcp_part(SYN);
    // The length of the MSS option.
    octets[21] = 0;
    let segment = parse(&octets).unwrap();
    assert!(segment.options.malformed);
    assert_eq!(segment.options.mss, None);
    assert_eq!(segment.seq, SeqNumber::from_raw(1_368_668_675));
    assert_eq!(segment.payload_len, 0);
}

#[test]
fn must_69_the_header_ends_on_a_word_and_its_padding_is_no_garbage() {
    for scale in [None, Some(3)] {
        for mss in [None, Some(1460)] {
            for timestamps in [None, Some(Timestamps { val: 1, ecr: 2 })] {
                for sack_permitted in [false, true] {
                    let options = OutOptions {
                        mss,
                        wscale: scale,
                        sack_permitted,
                        timestamps,
                        ..OutOptions::none()
                    };
                    for flags in [Flags::SYN, Flags::ACK] {
                        let out = sent(flags, options);
                        let mut buf = [0xff; MAX_HEADER_LEN];
                        let len = out.emit(1, 2, &mut buf).unwrap();
                        assert_eq!(len % 4, 0);
                        assert_eq!(usize::from(buf[12] >> 4) * 4, len);
                        // No octet is left as it was: what is not an option is a NOP, and no list needs an end.
                        let segment = parse(&buf[..len]).unwrap();
                        assert!(!segment.options.malformed);
                        assert!(!buf[20..len].contains(&0xff));
                    }
                }
            }
        }
    }
}

#[test]
fn short_headers_are_refused() {
    let octets = tcp_part(SYN);
    for len in 0..20 {
        let error = Segment::parse(&octets[..len], len as u32);
        assert_eq!(error, Err(ParseError::Truncated), "{len}");
        // All octets are there, but IP says that the segment is shorter.
        let error = Segment::parse(&octets, len as u32);
        assert_eq!(error, Err(ParseError::Truncated), "{len}");
    }
    for len in 20..40 {
        let error = Segment::parse(&octets[..len], 40);
        assert_eq!(error, Err(ParseError::Truncated), "{len}");
        let error = Segment::parse(&octets, len as u32);
        assert_eq!(error, Err(ParseError::BadDataOffset), "{len}");
    }
    assert!(Segment::parse(&octets, 40).is_ok());
}

#[test]
fn a_data_offset_below_the_fixed_header_is_refused() {
    let mut octets = tcp_part(SYN);
    for words in 0..5 {
        octets[12] = words << 4 | 0x0f;
        assert_eq!(parse(&octets), Err(ParseError::BadDataOffset), "{words}");
    }
    // The reserved bits are ignored.
    octets[12] = 5 << 4 | 0x0f;
    let segment = parse(&octets).unwrap();
    assert_eq!((segment.header_len, segment.payload_len), (20, 20));
}

#[test]
fn payload_is_what_follows_the_header() {
    let octets = tcp_part(ACK);
    let segment = Segment::parse(&octets, 32 + 1448).unwrap();
    assert_eq!(segment.payload_len, 1448);
    let segment = Segment::parse(&octets, u32::MAX).unwrap();
    assert_eq!(segment.payload_len, u32::MAX - 32);
}

#[test]
fn syn_and_fin_take_a_sequence_number_each() {
    for (flags, control) in [
        (Flags::NONE, 0),
        (Flags::ACK | Flags::PSH | Flags::RST | Flags::URG, 0),
        (Flags::SYN, 1),
        (Flags::FIN | Flags::ACK, 1),
        (Flags::SYN | Flags::FIN, 2),
    ] {
        let mut octets = tcp_part(ACK);
        octets[13] = flags.bits();
        let segment = Segment::parse(&octets, 32 + 10).unwrap();
        assert_eq!(segment.seg_len(), 10 + control);
        assert_eq!(sent(flags, OutOptions::none()).seg_len(), control);
    }
}

#[test]
fn a_short_buffer_is_refused() {
    for (out, ..) in handshake_out() {
        let mut buf = [0; MAX_HEADER_LEN];
        let len = out.header_len();
        assert_eq!(out.emit(1, 2, &mut buf[..len - 1]), None);
        assert_eq!(out.emit(1, 2, &mut buf[..len]), Some(len));
    }
}

#[test]
fn flags_combine_and_print_their_names() {
    let mut flags = Flags::SYN | Flags::ACK;
    assert!(flags.contains(Flags::SYN) && flags.contains(Flags::NONE));
    assert!(!flags.contains(Flags::SYN | Flags::FIN));
    assert_eq!(format!("{flags:?}"), "SYN|ACK");
    assert_eq!(format!("{:?}", Flags::default()), "none");
    flags |= Flags::CWR;
    assert_eq!(flags.bits(), 0x92);
}
