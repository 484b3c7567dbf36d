//! Which kernel hashes: found out from the CPU, or forced by name.

use super::{SECTOR_BYTES, hash_sectors};
use crate::Error;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The environment variable that forces a kernel.
pub const SIMD_VARIABLE: &str = "PERIGEE_SIMD";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512(Units),
}

/// How a CPU does an instruction on 512 bits. Both kernels run on either, but not as fast.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// In two halves, so that the rest of it has time for a ninth message.
    Half,
    /// At once.
    Full,
}

/// A kernel that this CPU can run. A value of this type is the proof: there is no way to make one for a missing
/// instruction set, which is what the calls into the vector kernels rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(Kernel);

impl Simd {
    /// The kernel that every CPU can run.
    pub const SCALAR: Self = Self(Kernel::Scalar);

    /// Everything this CPU can run, slowest first. Two kernels may have the same name.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut kernels = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("sse4.2") {
                kernels.push(Self(Kernel::Avx2));
            }
            let has_bmi = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("sse4.2") && has_bmi {
                let faster = faster_units();
                let slower = if faster == Units::Full { Units::Half } else { Units::Full };
                kernels.extend([slower, faster].map(|units| Self(Kernel::Avx512(units))));
            }
        }
        kernels
    }

    /// The names of what this CPU can run, slowest first.
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<_> = Self::available().into_iter().map(Self::name).collect();
        names.dedup();
        names
    }

    /// The fastest kernel of this CPU.
    pub fn fastest() -> Self {
        Self::available().pop().unwrap_or(Self::SCALAR)
    }

    /// The fastest kernel of this name, if there is one and the CPU can run it.
    pub fn named(name: &str) -> Result<Self, Error> {
        let available = Self::available();
        if let Some(simd) = available.iter().rfind(|simd| simd.name() == name) {
            return Ok(*simd);
        }
        let names = Self::names().join(", ");
        Err(Error(if ["avx2", "avx512"].contains(&name) {
            format!("this CPU cannot run the \"{name}\" kernel; it can run: {names}")
        } else {
            format!("unknown kernel \"{name}\"; this CPU can run: {names}")
        }))
    }

    /// The kernel of this process: the one that [`SIMD_VARIABLE`] names, else the fastest. Read once.
    pub fn chosen() -> Result<Self, Error> {
        static CHOSEN: OnceLock<Result<Simd, Error>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| match std::env::var_os(SIMD_VARIABLE) {
                None => Ok(Self::fastest()),
                Some(name) => Self::named(&name.to_string_lossy())
                    .map_err(|error| Error(format!("environment variable {SIMD_VARIABLE}: {error}"))),
            })
            .clone()
    }

    /// `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kernel::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(_) => "avx512",
        }
    }

    pub(crate) fn kernel(self) -> Kernel {
        self.0
    }
}

/// Found by trying both for a moment, once: the CPU's name does not tell, least of all in a virtual machine.
#[cfg(target_arch = "x86_64")]
fn faster_units() -> Units {
    static FASTER: OnceLock<Units> = OnceLock::new();
    *FASTER.get_or_init(|| {
        const TRIES: usize = 10;
        let sectors = vec![[0; SECTOR_BYTES]; 144];
        let mut hashes = vec![[0; 32]; sectors.len()];
        let mut best = [Duration::MAX; 2];
        for _ in 0..TRIES {
            for (best, units) in best.iter_mut().zip([Units::Half, Units::Full]) {
                let started = Instant::now();
                hash_sectors(Simd(Kernel::Avx512(units)), &sectors, &mut hashes);
                *best = started.elapsed().min(*best);
            }
        }
        if best[0] < best[1] { Units::Half } else { Units::Full }
    })
}
