//! Scans, and edits over what was scanned.

use super::*;
use crate::Edits;

fn head(body: &'static str) -> Head {
    Head::scan(Bytes::from_static(body.as_bytes())).unwrap()
}

fn edit(body: &'static str, edit: impl Fn(&Head, &mut Edits)) -> String {
    let head = head(body);
    let mut edits = Edits::default();
    edit(&head, &mut edits);
    String::from_utf8(edits.apply(&head).to_bytes().to_vec()).unwrap()
}

#[test]
fn members_are_found_with_their_raw_text() {
    let head = head(" {\"mod\\u0065l\" : \"a\",\n\"messages\":[ {\"model\":\"x\"} ] }\n");
    assert_eq!(head.get("model"), Some(&b"\"a\""[..]));
    assert_eq!(head.get("messages"), Some(&b"[ {\"model\":\"x\"} ]"[..]));
    assert_eq!(head.get("absent"), None);
    assert_eq!(head.read::<String>("model").unwrap().as_deref(), Some("a"));
}

#[test]
fn what_is_not_one_object_is_refused_with_a_reason() {
    let check = |body: &'static str, expect: &str| {
        let error = Head::scan(Bytes::from_static(body.as_bytes())).unwrap_err();
        assert!(error.message.contains(expect), "{body}: {error}");
    };
    check("", "empty");
    check("  ", "empty");
    check("nope", "not a valid JSON object");
    check("[1]", "expected a JSON object at line 1 column 1");
    check("{\n\"a\" 1}", "expected `:` behind a key at line 2 column 5");
    check("{\"a\":1} x", "trailing characters");
    check("{\"a\":[1,}", "not a valid JSON object");
    check("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", "duplicate member `model`");
}

#[test]
fn keys_inside_a_member_are_known_without_a_search() {
    let body = r#"{"model":"content","messages":[{"role":"user","content":"\"name\": x"},{"content":[{"type":"text"}]}],"odd":{"\u0061":1}}"#;
    let head = head(body);
    let check = |member, key, expect| assert_eq!(head.mentions(member, key), expect, "{member} {key}");
    check("messages", "content", true);
    check("messages", "type", true);
    check("messages", "name", false);
    check("model", "content", false);
    check("absent", "content", false);
    check("odd", "a", true);
    let many: String = (0..40).map(|n| format!("\"k{n}\":{n},")).collect();
    let head = Head::scan(Bytes::from(format!("{{\"tools\":[{{{many}\"last\":1}}]}}"))).unwrap();
    assert!(head.mentions("tools", "last") && head.mentions("tools", "k0"));
    assert!(!head.mentions("tools", "k40"));
    // An escaped text is no key, an escaped key may be any.
    for (last, expect) in [("\"text\":\"\\u0061\"", false), ("\"mod\\u0065l\":1", true)] {
        let body = format!("{{\"tools\":[{{{many}{last}}}]}}");
        let head = Head::scan(Bytes::from(body)).unwrap();
        assert_eq!(head.mentions("tools", "model"), expect, "{last}");
    }
}

#[test]
fn edits_touch_only_what_they_name() {
    let body = "{ \"model\": \"a\", \"x\" : 1,\"y\":2 , \"z\":3 }";
    assert_eq!(
        edit(body, |h, e| e.set(h, "model", "\"b\"")),
        "{ \"model\": \"b\", \"x\" : 1,\"y\":2 , \"z\":3 }"
    );
    assert_eq!(edit(body, |h, e| e.remove(h, "model")), "{ \"x\" : 1,\"y\":2 , \"z\":3 }");
    assert_eq!(edit(body, |h, e| e.remove(h, "z")), "{ \"model\": \"a\", \"x\" : 1,\"y\":2 }");
    assert_eq!(
        edit(body, |h, e| {
            e.remove(h, "x");
            e.rename(h, "y", "w");
            e.set(h, "new", "true");
        }),
        "{ \"model\": \"a\",\"w\":2 , \"z\":3,\"new\":true }"
    );
    assert_eq!(edit("{}", |h, e| e.set(h, "a", "1")), "{\"a\":1}");
    assert_eq!(edit("{\"a\":1}", |h, e| e.remove(h, "a")), "{}");
    assert_eq!(
        edit("{\"a\":1}", |h, e| {
            e.rename(h, "a", "b");
            e.set(h, "a", "2");
        }),
        "{\"b\":2}"
    );
}

proptest::proptest! {
    #[test]
    fn edited_bodies_stay_valid_json(
        names in proptest::collection::btree_set("[a-e]{1,2}", 0..6),
        removed in proptest::collection::vec("[a-e]{1,2}", 0..4),
        set in proptest::collection::vec("[a-f]{1,2}", 0..3),
    ) {
        let object: serde_json::Map<_, _> =
            names.iter().map(|name| (name.clone(), serde_json::json!({"v": name}))).collect();
        let head = Head::scan(Bytes::from(serde_json::to_vec(&object).unwrap())).unwrap();
        let mut edits = Edits::default();
        let mut expect = object.clone();
        for name in &removed {
            edits.remove(&head, name);
            expect.remove(name);
        }
        for name in set.iter().filter(|name| !removed.contains(name)) {
            edits.set(&head, name, "7");
            expect.insert(name.clone(), serde_json::json!(7));
        }
        let got: serde_json::Map<_, _> =
            serde_json::from_slice(&edits.apply(&head).to_bytes()).unwrap();
        proptest::prop_assert_eq!(got, expect);
    }
}
