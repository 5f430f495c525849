//! W3C Trace Context: which trace a record is part of, as its header `traceparent` says, with `tracestate` beside it.

use std::sync::Arc;

use crate::model::hexadecimal::hexadecimal;

/// The header that says the trace, the span and whether they are sampled.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what vendors add to it.
pub const TRACESTATE: &str = "tracestate";
/// The bit of the flags that says that the trace is sampled.
const SAMPLED: u8 = 1;
/// Characters of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// Characters of a `tracestate` that is handed on; a longer one is left out, as the recommendation allows.
const LONGEST_STATE: usize = 512;

/// The id of a trace, not all zero.
pub type TraceId = [u8; 16];
/// The id of a span, not all zero.
pub type SpanId = [u8; 8];

/// A span as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Whether whoever began the trace wants it recorded.
    pub is_sampled: bool,
    /// The value of `tracestate`; `None` when there is none.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// Reads the value of a `traceparent`, such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`. `None` when it is none: the trace is then begun
    /// anew. Of a later version the parts of this one are read.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let version = byte(value.get(0..2)?)?;
        let is_whole = match version {
            0 => value.len() == LENGTH,
            0xff => false,
            _ => value.len() == LENGTH || value.get(LENGTH) == Some(&b'-'),
        };
        let are_parted = [2, 35, 52].iter().all(|at| value.get(*at) == Some(&b'-'));
        if !is_whole || !are_parted {
            return None;
        }
        let (trace_id, span_id) = (bytes(&value[3..35])?, bytes(&value[36..52])?);
        let is_sampled = byte(&value[53..55])? & SAMPLED != 0;
        (trace_id != TraceId::default() && span_id != SpanId::default()).then_some(Self { trace_id, span_id, is_sampled, state: None })
    }

    /// The same with the value of a `tracestate`, unless that is empty, too long or no visible ASCII.
    #[must_use]
    pub fn with_state(mut self, value: Option<&[u8]>) -> Self {
        let legal =
            |value: &&[u8]| (1..=LONGEST_STATE).contains(&value.len()) && value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        self.state = value.filter(legal).and_then(|value| std::str::from_utf8(value).ok()).map(Arc::from);
        self
    }

    /// The value of a `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", hexadecimal(&self.trace_id), hexadecimal(&self.span_id), u8::from(self.is_sampled))
    }
}

/// As many bytes as digits in pairs say; small letters only.
fn bytes<const COUNT: usize>(digits: &[u8]) -> Option<[u8; COUNT]> {
    let mut read = [0; COUNT];
    for (byte_read, pair) in read.iter_mut().zip(digits.chunks_exact(2)) {
        *byte_read = byte(pair)?;
    }
    Some(read)
}

fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written() {
        let context = TraceContext::parse(PARENT.as_bytes()).expect("a context");
        assert!(context.is_sampled);
        assert_eq!((context.trace_id[0], context.span_id[7]), (0x0a, 0x31));
        assert_eq!(context.traceparent(), PARENT);
        let unsampled = TraceContext::parse(PARENT.replace("-01", "-00").as_bytes()).expect("a context");
        assert!(!unsampled.is_sampled);
    }

    #[test]
    fn what_is_no_context_is_none() {
        let later = PARENT.replacen("00", "01", 1);
        for (value, is_one) in [
            (later.clone(), true),
            (format!("{later}-more"), true),
            (format!("{later}more"), false),
            (format!("{PARENT}-more"), false),
            (PARENT.replacen("00", "ff", 1), false),
            (PARENT.to_uppercase(), false),
            (PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), false),
            (PARENT.replace("b7ad6b7169203331", &"0".repeat(16)), false),
            (PARENT.replace('-', "_"), false),
            (PARENT[..54].to_owned(), false),
            ("00-1-2-01".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(TraceContext::parse(value.as_bytes()).is_some(), is_one, "{value}");
        }
    }

    #[test]
    fn a_state_is_kept_when_it_is_one() {
        let context = || TraceContext::parse(PARENT.as_bytes()).expect("a context");
        assert_eq!(context().with_state(Some(b"shop=a1")).state.as_deref(), Some("shop=a1"));
        for none in [None, Some(&b""[..]), Some(b"shop=\n"), Some(&[0xff]), Some(&[b'a'; 513])] {
            assert_eq!(context().with_state(none).state, None, "{none:?}");
        }
    }
}
