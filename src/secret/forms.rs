//! The forms that a secret takes on its way into a text. Pure.
//!
//! Aimed at what programs really print: `kubectl -o yaml` (base64), `curl -v` (base64 behind a
//! user's name), JSON of several encoders, URLs, `set -x` of a shell, YAML in single quotes, HTML,
//! hexadecimal digits, Rust's own debug form.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::{
    BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD,
};

/// Base64 of a part of a longer text is masked from so many characters on: fewer come by chance.
const SHORTEST_INSIDE: usize = 8;

/// The text itself, and as JSON, URLs, shells, YAML, HTML, `xxd` and Rust's debug form have it.
pub(super) fn text_forms(text: &str) -> BTreeSet<String> {
    let json = json(text);
    let twice = self::json(&json);
    let mut forms = BTreeSet::from([
        text.to_owned(),
        go_json(&json),
        ascii_json(&json),
        json,
        twice,
        text.escape_debug().to_string(),
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        text.replace('\'', "''"),
        backslashed(text),
        html(text),
        hex(text).to_uppercase(),
        hex(text),
    ]);
    for kept in ["", "!'()*", "$&+,:;=@!'()*"] {
        let url = percent(text, kept);
        forms.insert(url.replace("%20", "+"));
        forms.insert(lower_hex(&url));
        forms.insert(url);
    }
    forms
}

/// Base64 of the bytes alone, and the part that does not change where they stand inside of others.
pub(super) fn base64_forms(bytes: &[u8]) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([
        BASE64_STANDARD.encode(bytes),
        BASE64_STANDARD_NO_PAD.encode(bytes),
        BASE64_URL_SAFE.encode(bytes),
        BASE64_URL_SAFE_NO_PAD.encode(bytes),
    ]);
    // Three bytes are four characters: how a byte is written depends on its place in its three.
    for (before, touched) in [(0, 0), (1, 2), (2, 3)] {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let mut text = engine.encode(&shifted);
            if shifted.len() % 3 != 0 {
                // This one has bits of what follows.
                text.pop();
            }
            if text.len() >= touched + SHORTEST_INSIDE {
                forms.insert(text.split_off(touched));
            }
        }
    }
    forms
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Go, and so kubectl, escapes what means something in HTML.
fn go_json(json: &str) -> String {
    json.replace('<', r"\u003c")
        .replace('>', r"\u003e")
        .replace('&', r"\u0026")
        .replace('\u{2028}', r"\u2028")
        .replace('\u{2029}', r"\u2029")
}

/// Python escapes all that is not ASCII.
fn ascii_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// As a page has it.
fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Two digits for each byte.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// As `printf %q` has it.
fn backslashed(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii()
            && !character.is_ascii_alphanumeric()
            && !"_-./:=@%+".contains(character)
        {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// All but letters, digits, `-_.~` and what is `kept`, as `%2F`.
fn percent(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric()
            || "-_.~".contains(character)
            || kept.contains(character)
        {
            escaped.push(character);
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// The same with `%2f`.
fn lower_hex(url: &str) -> String {
    let mut rest = 0;
    url.chars()
        .map(|character| {
            if character == '%' {
                rest = 2;
                return character;
            }
            if rest > 0 {
                rest -= 1;
                return character.to_ascii_lowercase();
            }
            character
        })
        .collect()
}
