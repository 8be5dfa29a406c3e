// SPDX-License-Identifier: GPL-2.0

//! Headers and options: any octets are taken, and what was written is read again.

use crate::fsm::options::{Options, OutOptions, SackBlocks, Timestamps, MAX_WINDOW_SCALE};
use crate::fsm::segment::{Flags, ParseError, Segment, SegmentOut, MAX_HEADER_LEN, MIN_HEADER_LEN};
use crate::fsm::seq::SeqNumber;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Octets that look like options more often than random ones do.
fn option_list() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![
        Just(vec![1]),
        Just(vec![0]),
        (any::<u8>(), any::<u8>()).prop_map(|(high, low)| vec![2, 4, high, low]),
        any::<u8>().prop_map(|scale| vec![3, 3, scale]),
        Just(vec![4, 2]),
        (0..6u8).prop_map(|blocks| {
            let len = 2 + 8 * blocks;
            let mut option = vec![7; usize::from(len)];
            option[0] = 5;
            option[1] = len;
            option
        }),
        any::<[u8; 8]>().prop_map(|stamps| {
            let mut option = vec![8, 10];
            option.extend(stamps);
            option
        }),
        (any::<u8>(), any::<u8>()).prop_map(|(kind, len)| vec![kind, len]),
        vec(any::<u8>(), 0..6),
    ];
    vec(option, 0..12).prop_map(|options| {
        let mut octets = options.concat();
        octets.truncate(60);
        octets
    })
}

fn parsed(octets: &[u8]) -> Options {
    let mut options = Options::none();
    options.read(octets);
    options
}

/// The options by a second, plain reading of the same rules.
fn reference(octets: &[u8]) -> Options {
    let mut options = Options::none();
    let mut at = 0;
    while at < octets.len() && octets[at] != 0 {
        if octets[at] == 1 {
            at += 1;
            continue;
        }
        let len = octets.get(at + 1).map_or(0, |&len| usize::from(len));
        let known_len = match octets[at] {
            2 => Some(4),
            3 => Some(3),
            4 => Some(2),
            5 => [10, 18, 26, 34]
                .into_iter()
                .find(|&known| known == len)
                .or(Some(0)),
            8 => Some(10),
            _ => None,
        };
        if len < 2 || at + len > octets.len() || known_len.is_some_and(|known| known != len) {
            options.malformed = true;
            break;
        }
        let word = |from: usize| {
            octets[from..from + 4]
                .iter()
                .fold(0, |word, &octet| word << 8 | u32::from(octet))
        };
        match octets[at] {
            2 => options.mss = Some(u16::from(octets[at + 2]) << 8 | u16::from(octets[at + 3])),
            3 => options.wscale = Some(octets[at + 2].min(14)),
            4 => options.sack_permitted = true,
            5 => {
                options.sack = SackBlocks::new();
                for block in (at + 2..at + len).step_by(8) {
                    let left = SeqNumber::from_raw(word(block));
                    options
                        .sack
                        .push(left, SeqNumber::from_raw(word(block + 4)));
                }
            }
            8 => {
                options.timestamps = Some(Timestamps {
                    val: word(at + 2),
                    ecr: word(at + 6),
                });
            }
            _ => {}
        }
        at += len;
    }
    options
}

fn timestamps() -> impl Strategy<Value = Timestamps> {
    any::<(u32, u32)>().prop_map(|(val, ecr)| Timestamps { val, ecr })
}

/// Segments that can be sent as they are: the options of a SYN in a SYN only, no more blocks than fit.
fn segment_out() -> impl Strategy<Value = SegmentOut> {
    let header = (
        any::<u32>(),
        any::<u32>(),
        any::<u8>(),
        any::<u16>(),
        any::<u16>(),
    );
    let options = (
        option::of(any::<u16>()),
        option::of(0..=MAX_WINDOW_SCALE),
        any::<bool>(),
        option::of(timestamps()),
        vec(any::<(u32, u32)>(), 0..=SackBlocks::MAX),
    );
    (header, options, any::<u16>()).prop_map(|(header, options, payload_len)| {
        let flags = Flags::from_bits(header.2);
        let syn = flags.contains(Flags::SYN);
        let mut sack = SackBlocks::new();
        let room = if options.3.is_some() { 3 } else { 4 };
        for &(left, right) in options.4.iter().take(if syn { 0 } else { room }) {
            sack.push(SeqNumber::from_raw(left), SeqNumber::from_raw(right));
        }
        SegmentOut {
            seq: SeqNumber::from_raw(header.0),
            ack: SeqNumber::from_raw(header.1),
            flags,
            wnd: header.3,
            urg: header.4,
            options: OutOptions {
                mss: options.0.filter(|_| syn),
                wscale: options.1.filter(|_| syn),
                sack_permitted: options.2 && syn,
                timestamps: options.3,
                sack,
            },
            payload_len: u32::from(payload_len),
            ect: false,
            piece: 0,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn must_7_any_octets_are_an_option_list(octets in vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(parsed(&octets), reference(&octets));
    }

    #[test]
    fn must_7_options_are_read_as_by_the_plain_reading(octets in option_list()) {
        prop_assert_eq!(parsed(&octets), reference(&octets));
    }

    #[test]
    fn must_64_options_are_read_the_same_at_any_alignment(
        octets in option_list(),
        nops in 0..8usize,
    ) {
        let mut shifted = vec![1; nops];
        shifted.extend(&octets);
        prop_assert_eq!(parsed(&shifted), parsed(&octets));
    }

    #[test]
    fn any_octets_of_any_length_give_an_answer(
        octets in vec(any::<u8>(), 0..80),
        offset in option::of(0..=15u8),
        segment_len in prop_oneof![0..100u32, any::<u32>()],
    ) {
        let mut octets = octets;
        if let (Some(offset), Some(octet)) = (offset, octets.get_mut(12)) {
            *octet = offset << 4;
        }
        let header_len = octets.get(12).map_or(0, |octet| usize::from(octet >> 4) * 4);
        match Segment::parse(&octets, segment_len) {
            Ok(segment) => {
                prop_assert_eq!(usize::from(segment.header_len), header_len);
                prop_assert!((MIN_HEADER_LEN..=MAX_HEADER_LEN).contains(&header_len));
                prop_assert!(header_len <= octets.len());
                prop_assert_eq!(segment.payload_len, segment_len - header_len as u32);
            }
            Err(ParseError::Truncated) => prop_assert!(
                octets.len() < header_len.max(MIN_HEADER_LEN) || segment_len < 20
            ),
            Err(ParseError::BadDataOffset) => prop_assert!(
                header_len < MIN_HEADER_LEN || header_len as u32 > segment_len
            ),
        }
    }

    #[test]
    fn what_was_written_is_read_again(
        out in segment_out(),
        src_port in any::<u16>(),
        dst_port in any::<u16>(),
    ) {
        let mut buf = [0xff; MAX_HEADER_LEN];
        let len = out.emit(src_port, dst_port, &mut buf).unwrap();
        prop_assert_eq!(len, out.header_len());
        prop_assert_eq!(&buf[16..18], [0, 0]);
        prop_assert!(buf[len..].iter().all(|&octet| octet == 0xff));
        let segment = Segment::parse(&buf[..len], len as u32 + out.payload_len).unwrap();
        let expected = Segment {
            src_port,
            dst_port,
            seq: out.seq,
            ack: out.ack,
            flags: out.flags,
            wnd: out.wnd,
            urg: out.urg,
            options: Options {
                mss: out.options.mss,
                wscale: out.options.wscale,
                sack_permitted: out.options.sack_permitted,
                timestamps: out.options.timestamps,
                sack: out.options.sack,
                malformed: false,
            },
            header_len: len as u8,
            payload_len: out.payload_len,
            ce: false,
            piece: 0,
        };
        prop_assert_eq!(segment, expected);
        prop_assert_eq!(segment.seg_len(), out.seg_len());
    }

    #[test]
    fn a_buffer_of_any_length_is_written_whole_or_not_at_all(
        out in segment_out(),
        room in 0..=MAX_HEADER_LEN,
    ) {
        let mut buf = vec![0xff; room];
        let fits = out.header_len() <= room;
        prop_assert_eq!(out.emit(1, 2, &mut buf), fits.then_some(out.header_len()));
        prop_assert!(fits || buf.iter().all(|&octet| octet == 0xff));
    }
}
