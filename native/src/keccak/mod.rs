//! Keccak-256 (Ethereum padding) of single messages and of batches: consecutive 256-byte sectors and consecutive 64-byte
//! pairs of hashes. Four kernels give the same bytes: scalar, 4 lanes of AVX2, 8 lanes of AVX-512, and the same with a ninth lane of
//! the integer units.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod scalar;
mod simd;

use crate::checksum::{BLOCK_BYTES, crc32c};
pub(crate) use scalar::words as hash_words;
pub(crate) use simd::Kernel;
pub use simd::Simd;
#[cfg(target_arch = "x86_64")]
pub(crate) use simd::Units;

/// A Keccak-256 hash.
pub type Hash = [u8; 32];

/// Bytes of a sector, the leaf of every tree (spec log-layer §1.1).
pub const SECTOR_BYTES: usize = 256;

/// Bytes of a pair of hashes, the input of every inner node.
pub const PAIR_BYTES: usize = 64;

const RATE_WORDS: usize = 17;
const RATE_BYTES: usize = RATE_WORDS * 8;

const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808A,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808B,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008A,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000A,
    0x0000_0000_8000_808B,
    0x8000_0000_0000_008B,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800A,
    0x8000_0000_8000_000A,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Keccak-256 of a message of any length.
pub fn keccak256(data: &[u8]) -> Hash {
    scalar::keccak256(data)
}

/// Keccak-256 of two hashes after each other: an inner node.
pub fn hash_pair(left: &Hash, right: &Hash) -> Hash {
    let mut pair = [0; PAIR_BYTES];
    pair[..32].copy_from_slice(left);
    pair[32..].copy_from_slice(right);
    scalar::pair(&pair)
}

/// Keccak-256 of one sector.
pub fn hash_sector(sector: &[u8; SECTOR_BYTES]) -> Hash {
    scalar::sector(sector)
}

/// Hashes consecutive sectors: `hashes[i] = keccak256(sectors[i])`.
///
/// # Panics
/// If the two slices differ in length.
pub fn hash_sectors(simd: Simd, sectors: &[[u8; SECTOR_BYTES]], hashes: &mut [Hash]) {
    assert_eq!(sectors.len(), hashes.len(), "one hash for each sector");
    match simd.kernel() {
        Kernel::Scalar => one_by_one(sectors, hashes, scalar::sector),
        // SAFETY: a `Simd` that says AVX2 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => in_batches(sectors, hashes, scalar::sector, |batch, out| unsafe { avx2::sectors(batch, out) }),
        // A `Simd` that says AVX-512 exists only where the CPU has it (and BMI and SSE 4.2).
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(units) => {
            let (rest, rest_out) = if units == Units::Half {
                whole_batches(sectors, hashes, |batch, out| {
                    // SAFETY: see above.
                    unsafe { avx512::nine_sectors(batch, out, &mut avx512::Checksums::none()) }
                })
            } else {
                (sectors, hashes)
            };
            // SAFETY: see above.
            in_batches(rest, rest_out, scalar::sector, |batch, out| unsafe { avx512::eight_sectors(units, batch, out) });
        }
    }
}

/// Hashes consecutive pairs: `hashes[i] = keccak256(pairs[i])`.
///
/// # Panics
/// If the two slices differ in length.
pub fn hash_pairs(simd: Simd, pairs: &[[u8; PAIR_BYTES]], hashes: &mut [Hash]) {
    assert_eq!(pairs.len(), hashes.len(), "one hash for each pair");
    match simd.kernel() {
        Kernel::Scalar => one_by_one(pairs, hashes, scalar::pair),
        // SAFETY: a `Simd` that says AVX2 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => in_batches(pairs, hashes, scalar::pair, |batch, out| unsafe { avx2::pairs(batch, out) }),
        // A `Simd` that says AVX-512 exists only where the CPU has it (and BMI and SSE 4.2).
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(units) => {
            let (rest, rest_out) = if units == Units::Half {
                // SAFETY: see above.
                whole_batches(pairs, hashes, |batch, out| unsafe { avx512::nine_pairs(batch, out) })
            } else {
                (pairs, hashes)
            };
            // SAFETY: see above.
            in_batches(rest, rest_out, scalar::pair, |batch, out| unsafe { avx512::eight_pairs(units, batch, out) });
        }
    }
}

/// Hashes hashes: `out[i] = keccak256(hashes[i])`.
///
/// # Panics
/// If the two slices differ in length.
pub fn hash_hashes(simd: Simd, hashes: &[Hash], out: &mut [Hash]) {
    assert_eq!(hashes.len(), out.len(), "one hash for each hash");
    match simd.kernel() {
        Kernel::Scalar => one_by_one(hashes, out, scalar::hash),
        // SAFETY: a `Simd` that says AVX2 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 => in_batches(hashes, out, scalar::hash, |batch, out| unsafe { avx2::hashes(batch, out) }),
        // SAFETY: a `Simd` that says AVX-512 exists only where the CPU has it.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512(units) => {
            // SAFETY: see above.
            in_batches(hashes, out, scalar::hash, |batch, out| unsafe { avx512::hashes(units, batch, out) });
        }
    }
}

/// Hashes the sectors of blocks and writes the CRC-32C of each block.
///
/// # Panics
/// If there are not 16 hashes and one checksum for each block.
pub fn hash_blocks(simd: Simd, blocks: &[[u8; BLOCK_BYTES]], hashes: &mut [Hash], checksums: &mut [u32]) {
    assert_eq!(blocks.len(), checksums.len(), "one checksum for each block");
    let (sectors, _) = blocks.as_flattened().as_chunks();
    assert_eq!(sectors.len(), hashes.len(), "one hash for each sector");
    #[cfg(target_arch = "x86_64")]
    if let Kernel::Avx512(units) = simd.kernel() {
        let mut running = avx512::Checksums::new(blocks, checksums);
        // SAFETY: a `Simd` that says AVX-512 exists only where the CPU has it (and BMI and SSE 4.2).
        let (rest, rest_out) = match units {
            Units::Half => {
                // SAFETY: see above.
                whole_batches(sectors, hashes, |batch, out| unsafe { avx512::nine_sectors(batch, out, &mut running) })
            }
            Units::Full => whole_batches(sectors, hashes, |batch, out| {
                // SAFETY: see above.
                unsafe { avx512::eight_sectors_with_checksums(batch, out, &mut running) }
            }),
        };
        // SAFETY: as above.
        unsafe { running.finish() }
        return hash_sectors(simd, rest, rest_out);
    }
    for ((block, hashes), checksum) in blocks.iter().zip(hashes.chunks_mut(BLOCK_BYTES / SECTOR_BYTES)).zip(checksums) {
        hash_sectors(simd, block.as_chunks().0, hashes);
        *checksum = crc32c(block);
    }
}

fn one_by_one<T>(inputs: &[T], hashes: &mut [Hash], hash: impl Fn(&T) -> Hash) {
    for (input, out) in inputs.iter().zip(hashes) {
        *out = hash(input);
    }
}

/// Feeds a kernel of `LANES` lanes, and returns what is left over.
#[cfg(target_arch = "x86_64")]
fn whole_batches<'a, const BYTES: usize, const LANES: usize>(
    inputs: &'a [[u8; BYTES]],
    hashes: &'a mut [Hash],
    mut kernel: impl FnMut(&[[u8; BYTES]; LANES], &mut [Hash; LANES]),
) -> (&'a [[u8; BYTES]], &'a mut [Hash]) {
    let (batches, rest) = inputs.as_chunks();
    let (outs, rest_out) = hashes.as_chunks_mut();
    for (batch, out) in batches.iter().zip(outs) {
        kernel(batch, out);
    }
    (rest, rest_out)
}

/// Feeds a kernel of `LANES` lanes. Two or more left over at the end fill a last batch up with zeros, since a batch costs
/// little more than one scalar hash.
#[cfg(target_arch = "x86_64")]
fn in_batches<const BYTES: usize, const LANES: usize>(
    inputs: &[[u8; BYTES]],
    hashes: &mut [Hash],
    hash: impl Fn(&[u8; BYTES]) -> Hash,
    kernel: impl Fn(&[[u8; BYTES]; LANES], &mut [Hash; LANES]),
) {
    let (rest, rest_out) = whole_batches(inputs, hashes, &kernel);
    if rest.len() < 2 {
        return one_by_one(rest, rest_out, hash);
    }
    let mut batch = [[0; BYTES]; LANES];
    batch[..rest.len()].copy_from_slice(rest);
    let mut out = [[0; 32]; LANES];
    kernel(&batch, &mut out);
    rest_out.copy_from_slice(&out[..rest.len()]);
}
