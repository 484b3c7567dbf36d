//! Base64 against the examples of RFC 4648 and what it forbids.

use perigee_native::base64::decode;

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut target = [0xaa; 64];
    decode(text.as_bytes(), &mut target).map(|count| target[..count].to_vec())
}

#[test]
fn examples_of_the_standard() {
    let examples = [
        ("", ""),
        ("Zg==", "f"),
        ("Zm8=", "fo"),
        ("Zm9v", "foo"),
        ("Zm9vYg==", "foob"),
        ("Zm9vYmE=", "fooba"),
        ("Zm9vYmFy", "foobar"),
    ];
    for (text, bytes) in examples {
        assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
    }
}

#[test]
fn what_is_no_base64() {
    for text in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v\n", "Zm9 ", "Zm-_", "====", "Zg==Zg==", "Zm9vZ~9v", "é"] {
        assert_eq!(decoded(text), None, "{text}");
    }
}

#[test]
fn every_length_and_every_wrong_character() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for length in 0..300_usize {
        let text: Vec<u8> = (0..length * 4).map(|at| ALPHABET[(at * 31 + length) % 64]).collect();
        let mut target = vec![0; length * 3];
        assert_eq!(decode(&text, &mut target), Some(length * 3));
        if length > 0 {
            assert_eq!(decode(&text, &mut target[1..]), None, "no room");
            let bits: u32 = text[..4]
                .iter()
                .fold(0, |bits, digit| bits << 6 | ALPHABET.iter().position(|one| one == digit).unwrap() as u32);
            assert_eq!(target[..3], bits.to_be_bytes()[1..]);
            let mut wrong = text.clone();
            wrong[length * 7 % (length * 4)] = b'.';
            assert_eq!(decode(&wrong, &mut target), None);
        }
    }
}
