//! What outsiders and damaged disks can hand to the native code: each target meets many inputs, most of them right ones with a few changes.
//! `PERIGEE_FUZZ_RUNS` sets how many, `PERIGEE_FUZZ_SEED` repeats a run.

mod disk;
mod flow;
mod memory;
mod proofs;
mod trees;

use crate::common::Numbers;
use memory::Measured;
use perigee_native::Hash;
use perigee_native::merkle::Proof;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::SystemTime;

/// Most bytes that one input may take at once, whatever numbers it has.
const MOST_BYTES: usize = 64 << 10;

#[global_allocator]
static ALLOCATOR: Measured = Measured;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is \"{text}\": a whole number is expected")))
}

/// Calls `target` with many inputs, each of which follows from its numbers alone.
fn fuzz(name: &str, target: impl Fn(&mut Numbers)) {
    let runs = setting("PERIGEE_FUZZ_RUNS").unwrap_or(100_000);
    let now = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
    let seed = setting("PERIGEE_FUZZ_SEED").unwrap_or_else(now);
    let first = Numbers(seed).next();
    let mut most = 0;
    for input in 0..runs {
        let outcome = catch_unwind(AssertUnwindSafe(|| memory::most_bytes(|| target(&mut Numbers(first.wrapping_add(input))))));
        let taken = outcome.unwrap_or_else(|panic| {
            eprintln!("{name}: input {input} of PERIGEE_FUZZ_SEED={seed}");
            resume_unwind(panic)
        });
        assert!(taken <= MOST_BYTES, "{name}: input {input} of PERIGEE_FUZZ_SEED={seed} takes {taken} bytes");
        most = most.max(taken);
    }
    println!("{name}: {runs} inputs from seed {seed}, {most} bytes at most for one; the process {}", resident());
}

/// The most memory that the process had, in the words of Linux.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap_or("does not say").replace('\t', "")
}

/// A number as someone would choose it who wants trouble.
fn hostile(numbers: &mut Numbers) -> u64 {
    let near = numbers.below(5).wrapping_sub(2);
    match numbers.below(5) {
        0 => numbers.below(20),
        1 => (1_u64 << numbers.below(64)).wrapping_add(near),
        2 => u64::MAX - numbers.below(600),
        3 => numbers.next() >> numbers.below(64),
        _ => near,
    }
}

/// A number like the right one, or any.
fn near(numbers: &mut Numbers, right: u64) -> u64 {
    match numbers.below(3) {
        0 => right.wrapping_add(numbers.below(3)).wrapping_sub(1),
        1 => right ^ 1 << numbers.below(64),
        _ => hostile(numbers),
    }
}

fn index(numbers: &mut Numbers, length: usize) -> usize {
    numbers.below(length as u64) as usize
}

/// A change of one bit.
fn flip(numbers: &mut Numbers, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let at = index(numbers, bytes.len());
        bytes[at] ^= 1 << numbers.below(8);
    }
}

/// One change of a proof: hashes and steps flipped, swapped, taken out, put in, many more than a proof has.
fn edit_proof(numbers: &mut Numbers, Proof { lemma, path }: &mut Proof) {
    match numbers.below(8) {
        0 => flip(numbers, lemma.as_flattened_mut()),
        1 if !lemma.is_empty() => {
            let (one, other) = (index(numbers, lemma.len()), index(numbers, lemma.len()));
            lemma.swap(one, other);
        }
        2 if !path.is_empty() => {
            let at = index(numbers, path.len());
            path[at] ^= true;
        }
        3 if !lemma.is_empty() => drop(lemma.remove(index(numbers, lemma.len()))),
        4 if !path.is_empty() => drop(path.remove(index(numbers, path.len()))),
        5 if !path.is_empty() && lemma.len() > 1 => {
            let at = index(numbers, path.len());
            path.remove(at);
            lemma.remove((at + 1).min(lemma.len() - 1));
        }
        6 => {
            let at = index(numbers, path.len() + 1);
            path.insert(at, numbers.below(2) == 0);
            let hash: Hash = lemma.first().copied().unwrap_or_default();
            lemma.insert((at + 1).min(lemma.len()), hash);
        }
        _ => {
            let more = index(numbers, 100);
            path.extend((0..more).map(|step| step % 2 == 0));
            lemma.extend((0..more).map(|_| [7; 32]));
        }
    }
}
