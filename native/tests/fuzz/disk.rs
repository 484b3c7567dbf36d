//! What a damaged disk gives: a block that does not have its checksum is found, and nothing wrong is taken for right.

use super::{flip, fuzz, hostile, index};
use crate::common::{Numbers, slow_crc32c};
use perigee_native::checksum::{BLOCK_BYTES, block_checksums, block_count, crc32c, first_bad_block};

fn checksums(data: &[u8]) -> Vec<u32> {
    let mut checksums = vec![0; block_count(data.len())];
    block_checksums(data, &mut checksums);
    checksums
}

#[test]
fn the_first_wrong_block_is_found() {
    let data = Numbers(3).bytes(4 * BLOCK_BYTES);
    fuzz("checksums", |numbers| {
        let mut data = data[..index(numbers, data.len())].to_vec();
        let expected = checksums(&data);
        let short = &data[..data.len().min(16)];
        assert_eq!(crc32c(short), slow_crc32c(short));
        let mut wrong = Vec::new();
        for _ in 0..numbers.below(4) {
            if data.is_empty() {
                break;
            }
            let at = index(numbers, data.len());
            flip(numbers, &mut data[at..=at]);
            wrong.push((at, data[at]));
        }
        let is_wrong = |block: &usize| {
            let own = |(at, _): &&(usize, u8)| at / BLOCK_BYTES == *block;
            wrong.iter().any(|change| own(&change)) && crc32c(piece(&data, *block)) != expected[*block]
        };
        assert_eq!(first_bad_block(&data, expected.iter().copied()), (0..expected.len()).find(is_wrong));
    });
}

fn piece(data: &[u8], block: usize) -> &[u8] {
    &data[block * BLOCK_BYTES..data.len().min((block + 1) * BLOCK_BYTES)]
}

#[cfg(unix)]
#[test]
fn a_read_is_right_or_refused() {
    use perigee_native::checked_read::read_right;
    use std::os::unix::fs::FileExt;

    let path = std::env::temp_dir().join(format!("perigee-fuzz-read-{}", std::process::id()));
    let bytes = Numbers(4).bytes(6 * BLOCK_BYTES + 5);
    std::fs::write(&path, &bytes).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    fuzz("checked reads", |numbers| {
        let from = index(numbers, bytes.len());
        let right = &bytes[from..bytes.len().min(from + index(numbers, 3 * BLOCK_BYTES))];
        let mut expected = checksums(right);
        let (mut position, mut into) = (from as u64, vec![0; right.len()]);
        let mut damage = None;
        match numbers.below(7) {
            0 => position = hostile(numbers),
            1 => into.resize(index(numbers, 4 * BLOCK_BYTES), 0),
            2 => expected.truncate(index(numbers, 4)),
            3 if !expected.is_empty() => {
                let at = index(numbers, expected.len());
                expected[at] ^= 1 << numbers.below(32);
            }
            4 | 5 => {
                let at = index(numbers, bytes.len());
                file.write_all_at(&[bytes[at] ^ 1 << numbers.below(8)], at as u64).unwrap();
                damage = Some(at);
            }
            _ => {}
        }
        let is_right = read_right(&file, position, &mut into, &expected);
        if let Some(at) = damage {
            file.write_all_at(&bytes[at..=at], at as u64).unwrap();
        }
        let stands = usize::try_from(position).ok().and_then(|position| bytes.get(position..position.checked_add(into.len())?));
        let is_hit = damage.is_some_and(|at| (from..from + right.len()).contains(&at));
        let should = into.is_empty()
            || stands
                .is_some_and(|stands| expected.len() >= block_count(stands.len()) && expected.starts_with(&checksums(stands)));
        assert_eq!(is_right, should && !is_hit);
        assert!(!is_right || into.is_empty() || Some(into.as_slice()) == stands, "a wrong byte");
    });
}
