// SPDX-License-Identifier: GPL-2.0

//! Unit tests of the options on the wire.

use super::*;

fn seq(raw: u32) -> SeqNumber {
    SeqNumber::from_raw(raw)
}

fn read(bytes: &[u8]) -> Options {
    let mut options = Options::none();
    options.read(bytes);
    options
}

/// Parses a list that must be good.
fn good(bytes: &[u8]) -> Options {
    let options = read(bytes);
    assert!(!options.malformed, "{bytes:?}");
    options
}

/// Parses a list that must be bad; what stood before the bad option.
fn bad(bytes: &[u8]) -> Options {
    let mut options = read(bytes);
    assert!(options.malformed, "{bytes:?}");
    options.malformed = false;
    options
}

fn emitted(options: &OutOptions, syn: bool) -> Vec<u8> {
    let mut bytes = vec![0xff; options.len(syn)];
    options.emit(syn, &mut bytes).unwrap();
    bytes
}

const MSS_1460: [u8; 4] = [2, 4, 0x05, 0xb4];

#[test]
fn must_4_end_nop_and_mss_are_understood() {
    assert_eq!(good(&[]), Options::none());
    assert_eq!(good(&[1, 1, 1, 1]), Options::none());
    assert_eq!(good(&MSS_1460).mss, Some(1460));
    // Nothing behind the end of the list is looked at.
    assert_eq!(good(&[0, 2, 4, 5]), Options::none());
    assert_eq!(good(&[1, 2, 4, 0x05, 0xb4, 0, 2, 1]).mss, Some(1460));
}

#[test]
fn must_6_unknown_options_are_skipped_by_their_length() {
    let mut bytes = vec![254, 6, 2, 4, 9, 9, 99, 2];
    bytes.extend(MSS_1460);
    assert_eq!(good(&bytes).mss, Some(1460));
    // The longest that there can be.
    let mut longest = [0xaa; MAX_OPTIONS_LEN];
    longest[0] = 253;
    longest[1] = 40;
    assert_eq!(good(&longest), Options::none());
}

#[test]
fn must_7_a_bad_length_stops_the_list_and_keeps_what_came_before() {
    let with_mss = Options {
        mss: Some(1460),
        ..Options::none()
    };
    for tail in [
        &[99, 0][..],
        &[99, 1],
        &[99, 3],
        &[99, 255],
        &[99],
        &[2],
        &[8, 10, 0, 0, 0, 0],
        &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // A known option of a wrong length.
        &[2, 3, 0, 1],
        &[2, 5, 0, 1, 0, 1],
        &[3, 2],
        &[3, 4, 1, 1],
        &[4, 3, 0],
        &[5, 2],
        &[5, 9, 0, 0, 0, 0, 0, 0, 0],
        &[8, 9, 0, 0, 0, 0, 0, 0, 0],
        &[8, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut bytes = MSS_1460.to_vec();
        bytes.extend(tail);
        assert_eq!(bad(&bytes), with_mss, "{tail:?}");
        // What follows is not looked at.
        bytes.extend([3, 3, 7]);
        assert_eq!(bad(&bytes).wscale, None, "{tail:?}");
    }
}

#[test]
fn must_7_a_list_of_five_sack_blocks_is_bad() {
    let mut bytes = vec![5, 42];
    bytes.extend([0; 40]);
    assert_eq!(bad(&bytes), Options::none());
}

#[test]
fn must_64_options_are_read_at_any_alignment() {
    let stamps = Some(Timestamps {
        val: 0x0102_0304,
        ecr: 0x0506_0708,
    });
    for nops in 0..4 {
        let mut bytes = vec![KIND_NOP; nops];
        bytes.extend([8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 3, 3, 9]);
        bytes.extend(MSS_1460);
        bytes.extend([5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 4, 2]);
        let options = good(&bytes);
        assert_eq!(options.timestamps, stamps, "{nops} NOPs");
        assert_eq!(options.wscale, Some(9), "{nops} NOPs");
        assert_eq!(options.mss, Some(1460), "{nops} NOPs");
        assert!(options.sack_permitted, "{nops} NOPs");
        let block = SackBlock {
            left: seq(1),
            right: seq(2),
        };
        assert_eq!(options.sack.as_slice(), [block], "{nops} NOPs");
    }
}

#[test]
fn the_aligned_timestamps_are_read_at_once_and_in_a_list() {
    let alone = [1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6];
    let stamps = Some(Timestamps { val: 5, ecr: 6 });
    assert_eq!(good(&alone).timestamps, stamps);
    let mut followed = alone.to_vec();
    followed.extend([4, 2]);
    assert_eq!(good(&followed).timestamps, stamps);
    assert!(good(&followed).sack_permitted);
    assert_eq!(bad(&alone[..11]), Options::none());
}

#[test]
fn a_window_scale_beyond_14_is_taken_for_14() {
    assert_eq!(good(&[3, 3, 0]).wscale, Some(0));
    assert_eq!(good(&[3, 3, 14]).wscale, Some(14));
    assert_eq!(good(&[3, 3, 15]).wscale, Some(14));
    assert_eq!(good(&[3, 3, 255]).wscale, Some(14));
}

#[test]
fn the_last_of_a_repeated_option_holds() {
    assert_eq!(good(&[2, 4, 0, 1, 2, 4, 0, 2]).mss, Some(2));
}

#[test]
fn no_more_than_four_sack_blocks_are_kept() {
    let mut sack = SackBlocks::new();
    for i in 0..4 {
        assert!(sack.push(seq(i), seq(i + 1)));
    }
    assert!(!sack.push(seq(9), seq(10)));
    assert_eq!(sack.as_slice().len(), 4);
    assert_eq!(sack.as_slice()[3].right, seq(4));
}

#[test]
fn must_65_syn_options_are_sent_in_a_syn_only() {
    let options = OutOptions {
        mss: Some(1460),
        wscale: Some(7),
        sack_permitted: true,
        ..OutOptions::none()
    };
    assert!(emitted(&options, false).is_empty());
    assert_eq!(
        emitted(&options, true),
        [2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]
    );
}

#[test]
fn must_68_every_option_that_is_sent_carries_its_length() {
    for bits in 0..32u32 {
        let has = |bit: u32| bits & (1 << bit) != 0;
        let mut options = OutOptions {
            mss: has(0).then_some(536),
            wscale: has(1).then_some(3),
            sack_permitted: has(2),
            timestamps: has(3).then_some(Timestamps { val: 1, ecr: 2 }),
            sack: SackBlocks::new(),
        };
        if has(4) {
            options.sack.push(seq(1), seq(2));
        }
        for syn in [false, true] {
            let bytes = emitted(&options, syn);
            assert_eq!(bytes.len() % 4, 0);
            let mut rest = &bytes[..];
            while let Some(&kind) = rest.first() {
                let len = if kind == KIND_NOP { 1 } else { rest[1] };
                assert!(kind == KIND_NOP || len >= 2);
                rest = &rest[usize::from(len)..];
            }
            assert!(!read(&bytes).malformed);
        }
    }
}

#[test]
fn three_sack_blocks_fit_beside_timestamps_and_four_without() {
    let mut options = OutOptions::none();
    for i in 0..4 {
        options.sack.push(seq(10 * i), seq(10 * i + 5));
    }
    assert_eq!(options.len(false), 36);
    let parsed = good(&emitted(&options, false));
    assert_eq!(parsed.sack, options.sack);
    options.timestamps = Some(Timestamps { val: 1, ecr: 2 });
    assert_eq!(options.len(false), MAX_OPTIONS_LEN);
    let parsed = good(&emitted(&options, false));
    assert_eq!(parsed.sack.as_slice(), &options.sack.as_slice()[..3]);
    assert_eq!(parsed.timestamps, options.timestamps);
}

#[test]
fn a_short_buffer_is_refused() {
    let options = OutOptions {
        timestamps: Some(Timestamps { val: 1, ecr: 2 }),
        ..OutOptions::none()
    };
    for syn in [false, true] {
        assert_eq!(options.emit(syn, &mut [0; 11]), None);
        assert_eq!(options.emit(syn, &mut [0; 12]), Some(()));
    }
}
