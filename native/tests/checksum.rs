//! CRC-32C against its definition, and the search for bad blocks.

use crate::common::{Numbers, slow_crc32c};
use perigee_native::checksum::{block_checksums, block_count, crc32c, first_bad_block};

#[test]
fn checksums_equal_the_definition() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    assert_eq!(crc32c(b""), 0);
    let mut numbers = Numbers(1);
    for length in (0..300).chain([4095, 4096, 4097, 10_000]) {
        let data = numbers.bytes(length);
        assert_eq!(crc32c(&data), slow_crc32c(&data), "length {length}");
    }
}

#[test]
fn blocks_are_checksummed_one_by_one_and_the_last_may_be_short() {
    let mut numbers = Numbers(2);
    for length in [0, 1, 4095, 4096, 4097, 5 * 4096, 5 * 4096 + 17, 262_144] {
        let data = numbers.bytes(length);
        let mut checksums = vec![7; block_count(length) + 1];
        let count = block_checksums(&data, &mut checksums);
        assert_eq!(count, length.div_ceil(4096));
        assert_eq!(checksums.pop(), Some(7), "nothing behind the last block is written");
        let expected: Vec<_> = data.chunks(4096).map(slow_crc32c).collect();
        assert_eq!(checksums, expected);
    }
}

#[test]
fn blocks_of_equal_bytes_have_the_checksum_of_the_definition() {
    for byte in [0, 1, 0x80, 0xFF] {
        let data = [byte; 4096];
        let mut checksums = [0];
        block_checksums(&data, &mut checksums);
        assert_eq!(checksums, [slow_crc32c(&data)]);
    }
}

#[test]
fn the_first_bad_block_is_found_wherever_a_bit_flips() {
    let mut data = Numbers(3).bytes(20 * 4096 + 100);
    let mut checksums = vec![0; 21];
    block_checksums(&data, &mut checksums);
    assert_eq!(first_bad_block(&data, checksums.iter().copied()), None);
    for byte in (0..data.len()).step_by(1009).chain([0, 4095, 4096, data.len() - 1]) {
        data[byte] ^= 0x10;
        assert_eq!(first_bad_block(&data, checksums.iter().copied()), Some(byte / 4096));
        data[byte] ^= 0x10;
    }
    data[2 * 4096] ^= 1;
    data[9 * 4096] ^= 1;
    assert_eq!(first_bad_block(&data, checksums.iter().copied()), Some(2), "the first of two");
}
