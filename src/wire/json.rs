//! JSON as event decoding needs it: texts and numbers borrowed from the payload, the digits of a number kept as they were written.
//!
//! `serde_json` turns a number into a double or an integer of 64 bits; money needs its exact decimal and an id its exact digits. A document is one
//! vector of nodes, so that decoding an event costs one allocation. What is accepted is RFC 8259, with unique keys and at most
//! [`DEEPEST`] levels; tests hold it against `serde_json`.

pub(super) mod flat;
mod parse;
mod scan;

use std::borrow::Cow;

/// Arrays and objects may be nested this deep, as in `serde_json`.
pub const DEEPEST: usize = 127;

/// What is not JSON, or not unique, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    /// What was found or expected there.
    pub what: &'static str,
}

/// One step of a document, in the order of the text. A container is followed by everything in it; an object by key, value, key, value.
#[derive(Clone, Debug)]
enum Node<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    /// The count of nodes inside.
    Array(usize),
    /// The count of nodes inside, keys included.
    Object(usize),
}

impl Node<'_> {
    /// How many nodes this one spans, itself included.
    fn span(&self) -> usize {
        match self {
            Self::Array(inside) | Self::Object(inside) => inside + 1,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 1,
        }
    }
}

/// A whole JSON text.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    nodes: Vec<Node<'a>>,
}

impl<'a> Document<'a> {
    /// Reads exactly one JSON value.
    ///
    /// # Errors
    /// When the bytes are not UTF-8, not one JSON value and nothing else, deeper than [`DEEPEST`], or an object has a key twice.
    pub fn parse(payload: &'a [u8]) -> Result<Self, JsonError> {
        parse::document(payload).map(|nodes| Self { nodes })
    }

    /// The value of the text.
    #[must_use]
    pub fn root(&self) -> Json<'_, 'a> {
        value(&self.nodes)
    }
}

/// A value in a [`Document`] that lives for `'d`, of a payload that lives for `'a`.
#[derive(Clone, Copy, Debug)]
pub enum Json<'d, 'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The number as it was written.
    Number(&'a str),
    /// A text without its quotes; owned only when it had escapes.
    Text(&'d Cow<'a, str>),
    /// An array.
    Array(Array<'d, 'a>),
    /// An object with unique keys.
    Object(Object<'d, 'a>),
}

/// The first value of `nodes`, which is never empty.
fn value<'d, 'a>(nodes: &'d [Node<'a>]) -> Json<'d, 'a> {
    match &nodes[0] {
        Node::Null => Json::Null,
        Node::Bool(bool) => Json::Bool(*bool),
        Node::Number(digits) => Json::Number(digits),
        Node::Text(text) => Json::Text(text),
        Node::Array(inside) => Json::Array(Array { nodes: &nodes[1..=*inside] }),
        Node::Object(inside) => Json::Object(Object { nodes: &nodes[1..=*inside] }),
    }
}

impl Json<'_, '_> {
    /// Whether this is `null`.
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value that the tokens of a JSON Pointer (RFC 6901, unescaped) lead to.
    #[must_use]
    pub fn at(self, pointer: &[String]) -> Option<Self> {
        pointer.iter().try_fold(self, |here, token| match here {
            Self::Object(object) => object.get(token),
            Self::Array(array) => array.items().nth(array_index(token)?),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => None,
        })
    }

    /// The value in words for a message: its text, cut after 60 characters.
    #[must_use]
    pub fn shown(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(bool) => bool.to_string(),
            Self::Number(digits) => cut(digits),
            Self::Text(text) => format!("\"{}\"", cut(text)),
            Self::Array(_) => "an array".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

/// `text`, cut after 60 characters.
fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An index as RFC 6901 writes it: digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { token.parse().ok() } else { None }
}

/// The items of an array.
#[derive(Clone, Copy, Debug)]
pub struct Array<'d, 'a> {
    nodes: &'d [Node<'a>],
}

impl<'d, 'a> Array<'d, 'a> {
    /// The items in order.
    pub fn items(self) -> impl Iterator<Item = Json<'d, 'a>> {
        let mut rest = self.nodes;
        std::iter::from_fn(move || {
            let span = rest.first()?.span();
            let item = value(rest);
            rest = &rest[span..];
            Some(item)
        })
    }
}

/// The members of an object.
#[derive(Clone, Copy, Debug)]
pub struct Object<'d, 'a> {
    nodes: &'d [Node<'a>],
}

impl<'d, 'a> Object<'d, 'a> {
    /// Keys and values in order.
    pub fn members(self) -> impl Iterator<Item = (&'d Cow<'a, str>, Json<'d, 'a>)> {
        let mut rest = self.nodes;
        std::iter::from_fn(move || {
            let (Node::Text(key), after) = rest.split_first()? else { return None };
            rest = &after[after.first()?.span()..];
            Some((key, value(after)))
        })
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Json<'d, 'a>> {
        self.members().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value)
    }
}

/// The tokens of a JSON Pointer, unescaped; `None` when `pointer` is neither empty nor starts with `/`, or has a `~` that escapes nothing.
#[must_use]
pub fn pointer_tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let unescape = |token: &str| {
        let escapes = token.matches('~').count();
        let known = token.matches("~0").count() + token.matches("~1").count();
        (escapes == known).then(|| token.replace("~1", "/").replace("~0", "~"))
    };
    pointer.strip_prefix('/')?.split('/').map(unescape).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The document as `serde_json` would have it, to compare by.
    fn tree(json: Json<'_, '_>) -> serde_json::Value {
        match json {
            Json::Null => serde_json::Value::Null,
            Json::Bool(bool) => bool.into(),
            Json::Number(digits) => serde_json::from_str(digits).expect("a number"),
            Json::Text(text) => text.as_ref().into(),
            Json::Array(array) => array.items().map(tree).collect(),
            Json::Object(object) => object.members().map(|(key, value)| (key.to_string(), tree(value))).collect(),
        }
    }

    #[test]
    fn what_is_refused() {
        let deep_arrays = "[".repeat(100_000);
        let deep_objects = r#"{"a":"#.repeat(100_000);
        for text in [
            "",
            " ",
            "nul",
            "nullx",
            "+1",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "[1,]",
            "[1 2]",
            "[",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "1 2",
            "{}{}",
            "NaN",
            "Infinity",
            "'a'",
            "\u{feff}{}",
            &deep_arrays,
            &deep_objects,
        ] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{}", cut(text));
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{}", cut(text));
        }
        assert!(Document::parse(b"\"\xff\"").is_err());
        for (depth, fine) in [(DEEPEST, true), (DEEPEST + 1, false)] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(Document::parse(text.as_bytes()).is_ok(), fine, "{depth}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), fine, "{depth}");
        }
    }

    #[test]
    fn a_key_twice_is_refused_at_every_level() {
        let many = (0..40).map(|key| format!("\"k{key}\":{key},")).collect::<Vec<_>>().concat();
        for text in [
            r#"{"a":1,"a":1}"#.to_owned(),
            r#"{"a":1,"\u0061":2}"#.to_owned(),
            r#"[{"b":{"c":{},"d":[],"c":0}}]"#.to_owned(),
            format!("{{{many}\"k7\":0}}"),
        ] {
            let error = Document::parse(text.as_bytes()).expect_err(&text);
            assert_eq!(error.what, "a key for the second time in the object that ends", "{text}");
        }
        assert!(Document::parse(format!("{{{many}\"k\":{{\"k7\":0}}}}").as_bytes()).is_ok());
    }

    #[test]
    fn pointers_lead_to_values() {
        let document = Document::parse(br#"{"a":{"b/c":[10,{"~":true}]},"":1}"#).expect("JSON");
        for (pointer, found) in [
            ("/a/b~1c/0", Some("10")),
            ("/a/b~1c/1/~0", Some("true")),
            ("/", Some("1")),
            ("/a/b~1c/01", None),
            ("/a/b~1c/2", None),
            ("/a/x", None),
            ("/a/b~1c/0/0", None),
        ] {
            let tokens = pointer_tokens(pointer).expect("a pointer");
            assert_eq!(document.root().at(&tokens).map(Json::shown).as_deref(), found, "{pointer}");
        }
        assert_eq!(pointer_tokens("a"), None);
        assert_eq!(pointer_tokens("/~2"), None);
        assert_eq!(pointer_tokens("/~01"), Some(vec!["~1".to_owned()]));
    }

    #[test]
    fn numbers_keep_their_digits_and_texts_are_borrowed() {
        let document = Document::parse(br#"[1.10,"plain","\u00e9\n"]"#).expect("JSON");
        let Json::Array(array) = document.root() else { panic!("an array") };
        let items: Vec<_> = array.items().collect();
        assert!(matches!(items[0], Json::Number("1.10")));
        assert!(matches!(items[1], Json::Text(Cow::Borrowed("plain"))));
        assert!(matches!(items[2], Json::Text(Cow::Owned(text)) if text == "é\n"));
    }

    /// JSON as text, with the shapes that matter here.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 60, 24, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
                prop::collection::hash_map("[a-e\"\\\\é]{0,3}", inner, 0..24).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(json in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.expect("text");
            let document = Document::parse(text.as_bytes()).expect("JSON");
            prop_assert_eq!(tree(document.root()), json);
        }

        #[test]
        fn agrees_with_serde_json_on_damaged_text(json in any_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = serde_json::to_vec(&json).expect("text");
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let ours = Document::parse(&bytes);
            match serde_json::from_slice::<serde_json::Value>(&bytes) {
                Ok(theirs) => match ours {
                    Ok(document) => prop_assert_eq!(tree(document.root()), theirs),
                    Err(error) => prop_assert!(error.what.starts_with("a key"), "{error}"),
                },
                // Doubles that overflow are numbers here: money and ids judge them.
                Err(error) => prop_assert!(ours.is_err() || error.to_string().contains("number out of range")),
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes);
        }
    }
}
