//! What several test files need.

use perigee_native::keccak::keccak256;
use perigee_native::{Hash, Simd};
use serde_json::Value;

/// A file of `test/vectors`.
pub fn vectors(name: &str) -> Value {
    let path = format!("{}/../test/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("vectors are JSON")
}

/// The elements of a list, of which there must be some.
pub fn list<'value>(value: &'value Value, name: &str) -> &'value [Value] {
    let list = value[name].as_array().unwrap_or_else(|| panic!("{name} is a list"));
    assert!(!list.is_empty(), "{name} is not empty");
    list
}

pub fn text<'value>(value: &'value Value, name: &str) -> &'value str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a string"))
}

/// A number, or a decimal string where numbers may be large.
pub fn number(value: &Value, name: &str) -> u64 {
    let value = &value[name];
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{name} is a number"))
}

pub fn hash(value: &Value) -> Hash {
    bytes(value.as_str().expect("a hash in hex")).try_into().expect("32 bytes")
}

/// The bytes of hex digits behind 0x.
pub fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.strip_prefix("0x").expect("0x");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// The generator of `pora.json`.
pub fn stream(label: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in 0_u64.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend(keccak256(&[label.as_bytes(), &index.to_be_bytes()].concat()));
    }
    bytes.truncate(length);
    bytes
}

/// A decimal string of up to 256 bits, big-endian.
pub fn wide(value: &Value, name: &str) -> Hash {
    let mut bytes = [0; 32];
    for digit in text(value, name).bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0, "{name} has 256 bits at most");
    }
    bytes
}

pub fn hashes(value: &Value, name: &str) -> Vec<Hash> {
    list(value, name).iter().map(hash).collect()
}

/// The bytes that a file vector names.
pub fn content(vector: &Value) -> Vec<u8> {
    let size = number(vector, "size") as usize;
    let byte: fn(usize) -> usize = match text(vector, "content") {
        "zeros" => |_| 0,
        "lcg31_7" => |index| index * 31 + 7,
        "mixed" => |index| index * 31 + index / 256 * 7 + index / 65536 * 13 + 7,
        other => panic!("unknown content {other}"),
    };
    (0..size).map(|index| byte(index) as u8).collect()
}

/// Numbers that are the same in every run (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub fn hashes(&mut self, count: usize) -> Vec<Hash> {
        (0..count).map(|_| std::array::from_fn(|_| self.next() as u8)).collect()
    }
}

/// Runs a test with every kernel of this CPU, and says which.
pub fn with_every_kernel(test: impl Fn(Simd)) {
    for simd in Simd::available() {
        println!("kernel {simd:?}");
        test(simd);
    }
}

/// CRC-32C bit by bit, from its polynomial.
pub fn slow_crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
