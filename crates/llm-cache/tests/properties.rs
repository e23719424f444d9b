//! Keys of random requests: equal for what says the same, different for everything else.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use bytes::Bytes;
use llm_cache::{Key, KeyBuilder, Owner, Scope, Tenant};
use llm_types::Head;
use proptest::prelude::*;

/// A JSON text that remembers the order of its members.
#[derive(Debug, Clone)]
enum Json {
    Word(&'static str),
    Number(i8),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Writes it; `order` says which member is next and how much white space there is.
    fn write(&self, order: &mut impl FnMut(usize) -> usize, out: &mut String) {
        let space = " \n\t\r ".get(..order(6)).unwrap_or_default();
        out.push_str(space);
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Text(text) => out.push_str(&serde_json::to_string(text).unwrap()),
            Self::List(list) => {
                out.push('[');
                for (nth, value) in list.iter().enumerate() {
                    out.push_str(if nth > 0 { "," } else { "" });
                    value.write(order, out);
                }
                out.push_str(space);
                out.push(']');
            }
            Self::Object(members) => {
                let mut left: Vec<_> = members.iter().collect();
                out.push('{');
                while !left.is_empty() {
                    let (name, value) = left.remove(order(left.len()));
                    out.push_str(&format!("{space}{}{space}:", serde_json::to_string(name).unwrap()));
                    value.write(order, out);
                    out.push_str(space);
                    out.push_str(if left.is_empty() { "" } else { "," });
                }
                out.push('}');
            }
        }
    }

    fn text(&self, order: &mut impl FnMut(usize) -> usize) -> String {
        let mut out = String::new();
        self.write(order, &mut out);
        out
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(Json::Word),
        (0..3i8).prop_map(Json::Number),
        "[a{}\\[\\],:\" ]{0,3}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            members(inner).prop_map(Json::Object),
        ]
    })
}

fn members(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Vec<(String, Json)>> {
    proptest::collection::btree_map("[ab]{1,2}", value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn request() -> impl Strategy<Value = Json> {
    members(json()).prop_map(Json::Object)
}

fn key(tenant: Tenant<'_>, body: &str) -> Key {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    KeyBuilder::new(&tenant, body.len()).part("model", b"m").request(&head, &[]).unwrap()
}

fn everybody(body: &str) -> Key {
    key(Tenant::Everybody, body)
}

proptest! {
    #[test]
    fn a_request_has_one_key_however_it_is_written(request in request(), mut seed: u64) {
        let plain = request.text(&mut |_| 0);
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below.max(1)
        };
        let other = request.text(&mut random);
        prop_assert_eq!(everybody(&plain), everybody(&other), "{} {}", plain, other);
    }

    #[test]
    fn requests_share_a_key_only_if_they_say_the_same(one in request(), other in request()) {
        let (one, other) = (one.text(&mut |_| 0), other.text(&mut |_| 0));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        prop_assert_eq!(everybody(&one) == everybody(&other), value(&one) == value(&other), "{} {}", one, other);
    }

    #[test]
    fn one_changed_byte_is_another_key(request in request(), at: prop::sample::Index, byte in b' '..=b'~') {
        let body = request.text(&mut |_| 0);
        let mut bytes = body.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&changed) else { return Ok(()) };
        let same = value == serde_json::from_str::<serde_json::Value>(&body).unwrap();
        if let Ok(head) = Head::scan(Bytes::from(changed.clone())) {
            let key = KeyBuilder::new(&Tenant::Everybody, 0).part("model", b"m").request(&head, &[]).unwrap();
            // A name that came to be there twice counts as another request, whoever wins.
            prop_assert!(same || key != everybody(&body), "{} {}", body, changed);
        }
    }

    #[test]
    fn two_owners_share_only_what_their_scope_says(
        one in owner(), other in owner(), scope in prop_oneof![Just(Scope::Key), Just(Scope::Team), Just(Scope::Global)],
    ) {
        let of = |(key, team, user): &(Option<String>, Option<String>, Option<String>)| {
            let owner = Owner { key: key.as_deref(), team: team.as_deref(), user: user.as_deref() };
            self::key(scope.tenant(owner), "{}")
        };
        let may = match scope {
            Scope::Global => true,
            Scope::Team => match (&one.1, &other.1) {
                (None, None) => one.0 == other.0 && (one.0.is_some() || one.2 == other.2),
                (one, other) => one == other,
            },
            Scope::Key => one.0 == other.0 && (one.0.is_some() || (&one.1, &one.2) == (&other.1, &other.2)),
        };
        prop_assert_eq!(of(&one) == of(&other), may, "{:?} {:?}", one, other);
    }
}

/// A key, a team, a user.
fn owner() -> impl Strategy<Value = (Option<String>, Option<String>, Option<String>)> {
    let name = || proptest::option::of("[ab]{1,2}");
    (name(), name(), name())
}
