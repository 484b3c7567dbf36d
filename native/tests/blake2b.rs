//! BLAKE2b equals an independent crate.

use crate::common::Numbers;
use blake2::{Blake2b512, Digest};
use perigee_native::blake2b::blake2b;

#[test]
fn messages_of_any_length_equal_the_crate() {
    let mut numbers = Numbers(1);
    let lengths = (0..=600).chain((0..50).map(|_| numbers.below(100_000) as usize)).collect::<Vec<_>>();
    for length in lengths {
        let data = numbers.bytes(length);
        assert_eq!(blake2b(&data)[..], Blake2b512::digest(&data)[..], "length {length}");
    }
}
