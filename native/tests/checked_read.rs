//! Reads that compare what they read.

use perigee_native::checked_read::read_right;
use perigee_native::checksum::{BLOCK_BYTES, block_checksums, block_count};
use std::fs::File;

#[test]
fn right_bytes_are_read_and_everything_else_is_refused() {
    let path = std::env::temp_dir().join(format!("perigee-read-test-{}", std::process::id()));
    let bytes: Vec<u8> = (0..70 * BLOCK_BYTES + 5).map(|at| (at * 31 + at / 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let file = File::open(&path).unwrap();
    let checksums = |data: &[u8]| {
        let mut checksums = vec![0; block_count(data.len())];
        block_checksums(data, &mut checksums);
        checksums
    };
    for (from, length) in [(0, 0), (0, bytes.len()), (3, 40 * BLOCK_BYTES), (32 * BLOCK_BYTES, 1)] {
        let part = &bytes[from..from + length];
        let mut into = vec![0; length];
        assert!(read_right(&file, from as u64, &mut into, &checksums(part)), "{from} {length}");
        assert_eq!(into, part);
    }
    let mut into = vec![0; bytes.len()];
    for block in [0, 31, 32, 70] {
        let mut expected = checksums(&bytes);
        expected[block] ^= 1;
        assert!(!read_right(&file, 0, &mut into, &expected), "{block}");
    }
    assert!(!read_right(&file, 1, &mut into, &checksums(&bytes)), "the file ends too early");
    assert!(!read_right(&file, 0, &mut into, &checksums(&bytes)[..70]), "too few checksums");
    std::fs::remove_file(&path).unwrap();
}
