//! Base64 as JSON carries it: the standard alphabet with padding, nothing else.

use base64_simd::{AsOut, STANDARD};

/// Decodes `text` to the start of `target` and answers how many bytes that are; `None` when it is no base64 or has more bytes than there is room
/// for. What `target` holds then is open.
pub fn decode(text: &[u8], target: &mut [u8]) -> Option<usize> {
    let count = STANDARD.decoded_length(text).ok()?;
    let room = target.get_mut(..count)?;
    STANDARD.decode(text, room.as_out()).ok().map(|decoded| decoded.len())
}
