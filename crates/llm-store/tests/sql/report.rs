//! Reports: sums equal the rows', whatever they are divided by, and outlive them.

use std::collections::BTreeMap;

use llm_governance::report::{GroupBy as By, PageAsk, ReportAsk, RowFilter};
use llm_governance::{KeyId, Scope, UsageRow, Zone};
use llm_store::{SqlError, SqlStore};
use llm_types::PicoUsd;

use crate::harness::{Place, SOON, at, both, pico, row};

both!(
    sums_are_those_of_the_rows,
    days_are_those_of_a_time_zone,
    days_are_as_long_as_the_clocks_say,
    sums_outlive_the_rows,
    rows_are_found_in_many_packs,
    figures_beyond_belief_are_added_up_as_they_are
);

/// Rows that differ in everything.
fn rows() -> Vec<UsageRow> {
    rows_since("2026-11-18")
}

/// The same of six days and a half.
fn rows_since(day: &str) -> Vec<UsageRow> {
    (0..300_u32)
        .map(|nth| {
            let mut row = row(&format!("{day}-{nth}"), 1, i128::from(nth) * 1_000_000_007);
            let hour = jiff::SignedDuration::from_mins(i64::from(nth) * 31);
            row.time = at(&format!("{day}T00:00:00Z")) + hour;
            row.who.key = Some(KeyId::of_name(&format!("key {}", nth % 7)));
            row.who.team = (!nth.is_multiple_of(5)).then(|| format!("t{}", nth % 3).into());
            row.served.model_asked = format!("m{}", nth % 4).into();
            row.served.provider = format!("p{}", nth % 2).into();
            row.served.deployment = format!("d{}", nth % 6).into();
            row.tags = (0..nth % 3).map(|tag| format!("g{tag}").into()).collect();
            row.first_token = (!nth.is_multiple_of(4)).then_some(row.latency / 2);
            row
        })
        .collect()
}

async fn filled(place: &Place) -> (SqlStore, Vec<UsageRow>) {
    filled_with(place, rows()).await
}

async fn filled_with(place: &Place, rows: Vec<UsageRow>) -> (SqlStore, Vec<UsageRow>) {
    let store = place.open().await;
    let (writer, task) = place.writer(&store, "n1");
    for row in &rows {
        drop(writer.try_append(row));
    }
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    (store, rows)
}

/// The words of a row for what a report is divided by; several for tags.
fn words(row: &UsageRow, by: By, zone: &Zone) -> Vec<String> {
    let text = row.time.to_string();
    let owned = |name: &Option<std::sync::Arc<str>>| vec![name.as_deref().unwrap_or_default().to_owned()];
    match by {
        By::Day => vec![zone.shown(row.time).date().to_string()],
        By::Hour => vec![format!("{}:00:00Z", text.split(':').next().unwrap())],
        By::Model => vec![row.served.model_asked.to_string()],
        By::Served => vec![row.served.model.to_string()],
        By::Provider => vec![row.served.provider.to_string()],
        By::Deployment => vec![row.served.deployment.to_string()],
        By::Key => vec![row.who.key.unwrap().to_string()],
        By::Team => owned(&row.who.team),
        By::User => owned(&row.who.user),
        By::Organisation => owned(&row.who.organisation),
        By::Tag if row.tags.is_empty() => vec![String::new()],
        By::Tag => row.tags.iter().map(|tag| tag.to_string()).collect(),
    }
}

async fn compare(store: &SqlStore, rows: &[UsageRow], ask: &ReportAsk) {
    let mut expect: BTreeMap<Vec<String>, (u64, PicoUsd, u64, u64)> = BTreeMap::new();
    let report = store.usage(ask).await.unwrap();
    let within = |row: &&UsageRow| report.from <= row.time && row.time < report.to;
    let only = |row: &&UsageRow| ask.only.iter().all(|(by, word)| words(row, *by, &ask.zone).contains(word));
    for row in rows.iter().filter(within).filter(only) {
        let mut groups = vec![Vec::new()];
        for by in &ask.group_by {
            let mut next = words(row, *by, &ask.zone);
            next.retain(|word| ask.only.iter().all(|(only, kept)| only != by || kept == word));
            groups = groups
                .iter()
                .flat_map(|group| next.iter().map(|word| [group.clone(), vec![word.clone()]].concat()))
                .collect();
        }
        for group in groups {
            let (attempts, cost, tokens, first) = expect.entry(group).or_default();
            *attempts += 1;
            *cost = cost.saturating_add(row.cost);
            *tokens += 120;
            *first += u64::from(row.first_token.is_some());
        }
    }
    let got: BTreeMap<_, _> = report
        .rows
        .iter()
        .map(|line| {
            let sums = &line.sums;
            (line.group.clone(), (sums.attempts, sums.cost, sums.input + sums.output, sums.first_tokens))
        })
        .collect();
    assert_eq!(got, expect, "{ask:?}");
    assert_eq!(report.rows.len(), got.len(), "{ask:?}");
}

async fn sums_are_those_of_the_rows(place: Place) {
    let (store, rows) = filled(&place).await;
    let ask = |group_by: &[By], only: &[(By, &str)]| ReportAsk {
        from: at("2026-11-18T03:10:00Z"),
        to: at("2026-11-22T12:30:00Z"),
        group_by: group_by.to_vec(),
        only: only.iter().map(|(by, word)| (*by, (*word).to_owned())).collect(),
        zone: Zone::UTC,
    };
    for by in By::ALL {
        compare(&store, &rows, &ask(&[by], &[])).await;
    }
    for (group_by, only) in [
        (&[By::Day, By::Model][..], &[][..]),
        (&[By::Hour, By::Provider, By::Deployment], &[(By::Model, "m1")]),
        (&[By::Day, By::Key, By::Model], &[(By::Team, "t1")]),
        (&[By::Team], &[(By::Day, "2026-11-19")]),
        (&[By::Tag, By::Model], &[(By::Tag, "g0")]),
        (&[By::Tag, By::Model], &[(By::Tag, "")]),
        (&[By::Model, By::Key, By::Team, By::Provider, By::Tag, By::Day], &[]),
        (&[By::Key, By::Tag], &[(By::Tag, "g1"), (By::Team, "t1")]),
        (&[By::User, By::Organisation, By::Served], &[(By::Tag, "")]),
        (&[], &[(By::Team, "")]),
        (&[], &[]),
        (&[By::Day], &[(By::Model, "nobody's")]),
    ] {
        compare(&store, &rows, &ask(group_by, only)).await;
    }
    let report = store.usage(&ask(&[By::Model], &[])).await.unwrap();
    assert_eq!((report.from, report.to), (at("2026-11-18T03:00:00Z"), at("2026-11-22T13:00:00Z")));
    let report = store.usage(&ask(&[By::Team], &[])).await.unwrap();
    assert_eq!((report.from, report.to), (at("2026-11-18T00:00:00Z"), at("2026-11-23T00:00:00Z")));
    for wrong in [&[By::Tag, By::Deployment][..], &[By::Hour, By::Team]] {
        assert!(matches!(store.usage(&ask(wrong, &[])).await, Err(SqlError::NoSums)));
    }
    let only = |rows: &[UsageRow], of: &dyn Fn(&UsageRow) -> bool| {
        rows.iter().filter(|row| of(row)).fold(pico(0), |sum, row| sum.saturating_add(row.cost))
    };
    let id = KeyId::of_name("key 3");
    let spent = store.spend(&Scope::Key(id)).await.unwrap().cost;
    assert_eq!(spent, only(&rows, &|row| row.who.key == Some(id)));
    let spent = store.spend(&Scope::Tag("g1".into())).await.unwrap().cost;
    assert_eq!(spent, only(&rows, &|row| row.tags.iter().any(|tag| &**tag == "g1")));
    let filter = RowFilter { key: Some(id), from: Some(at("2026-11-19T00:00:00Z")), ..RowFilter::default() };
    let page = store.rows(&filter, &PageAsk::first(1_000)).await.unwrap();
    let of_key = rows.iter().filter(|row| row.who.key == Some(id) && Some(row.time) >= filter.from);
    assert_eq!(page.items.len(), of_key.count());
    assert!(page.items.is_sorted_by(|one, next| one.time >= next.time));
}

async fn days_are_those_of_a_time_zone(place: Place) {
    let (store, mut rows) = filled(&place).await;
    let ask = |zone: &str, group_by: &[By], only: &[(By, &str)]| {
        let zone: Zone = zone.parse().unwrap();
        let [from, to] = ["2026-11-18", "2026-11-22"].map(|day| zone.midnight(day.parse().unwrap()).unwrap());
        let only = only.iter().map(|(by, word)| (*by, (*word).to_owned())).collect();
        ReportAsk { from, to, group_by: group_by.to_vec(), only, zone }
    };
    for zone in ["Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"] {
        for (group_by, only) in [
            (&[By::Day, By::Model][..], &[][..]),
            (&[By::Model], &[(By::Day, "2026-11-20")]),
            (&[By::Day, By::Team], &[]),
            (&[By::Day, By::Tag, By::Deployment], &[(By::Tag, "g0")]),
            (&[By::Key], &[(By::Team, "t1")]),
            (&[By::Tag, By::Key], &[]),
            (&[], &[(By::Team, "")]),
        ] {
            let ask = ask(zone, group_by, only);
            compare(&store, &rows, &ask).await;
            let report = store.usage(&ask).await.unwrap();
            let by_hours = zone == "Asia/Kolkata" && !group_by.is_empty() && group_by.len() < 3;
            let expect = if by_hours { (report.from, report.to) } else { (ask.from, ask.to) };
            assert_eq!((report.from, report.to), expect, "{ask:?}");
        }
    }
    // Sums are of whole days again where the rows of a part are gone.
    store.retire(Some(at("2026-11-19T00:00:00Z"))).await.unwrap();
    let owner = ask("Europe/Berlin", &[By::Team], &[]);
    compare(&store, &rows, &owner).await;
    assert_eq!(store.usage(&owner).await.unwrap().from, at("2026-11-17T00:00:00Z"));
    // Whole days are no more than what was asked for needs: at its end, and where it begins with one.
    store.retire(Some(at("2026-11-21T12:00:00Z"))).await.unwrap();
    for zone in ["Europe/Berlin", "Europe/London"] {
        let owner = ask(zone, &[By::Team], &[]);
        let report = store.usage(&owner).await.unwrap();
        assert_eq!(report.to, at("2026-11-22T00:00:00Z"), "{zone}");
        let first = if zone == "Europe/London" { "2026-11-18T00:00:00Z" } else { "2026-11-17T00:00:00Z" };
        assert_eq!(report.from, at(first), "{zone}");
        compare(&store, &rows, &owner).await;
    }
    rows.retain(|row| row.time >= at("2026-11-21T12:00:00Z"));
    compare(&store, &rows, &ask("Europe/Berlin", &[By::Day, By::Team], &[])).await;
}

/// Days of 23, 25, 23½ and 24½ hours.
async fn days_are_as_long_as_the_clocks_say(place: Place) {
    let changes = [
        ("Europe/Berlin", "2026-03-27"),
        ("Europe/Berlin", "2026-10-23"),
        ("America/New_York", "2026-10-30"),
        ("Australia/Lord_Howe", "2026-04-03"),
        ("Australia/Lord_Howe", "2026-10-01"),
    ];
    let rows = changes.iter().flat_map(|(_, day)| rows_since(day)).collect();
    let (store, rows) = filled_with(&place, rows).await;
    for (zone, day) in changes {
        let zone: Zone = zone.parse().unwrap();
        let first: jiff::civil::Date = day.parse().unwrap();
        let (from, to) =
            (zone.midnight(first).unwrap(), zone.midnight(first + jiff::Span::new().days(6)).unwrap());
        assert_ne!(to.as_second() - from.as_second(), 6 * 24 * 3600, "the clocks of {zone} are changed");
        let changed = first + jiff::Span::new().days(2);
        for (group_by, only) in [
            (&[By::Day, By::Model][..], Vec::new()),
            (&[By::Day, By::Team], Vec::new()),
            (&[By::Model], vec![(By::Day, changed.to_string())]),
            (&[By::Team], Vec::new()),
        ] {
            let ask = ReportAsk { from, to, group_by: group_by.to_vec(), only, zone: zone.clone() };
            compare(&store, &rows, &ask).await;
            assert!(!store.usage(&ask).await.unwrap().rows.is_empty(), "{ask:?}");
        }
    }
}

async fn sums_outlive_the_rows(place: Place) {
    let (store, rows) = filled(&place).await;
    let before = at("2026-11-20T00:00:00Z");
    let retired = store.retire(Some(before)).await.unwrap();
    let old = rows.iter().filter(|row| row.time < before).count();
    assert_eq!(usize::try_from(retired.rows).unwrap(), old);
    let page = store.rows(&RowFilter::default(), &PageAsk::first(1_000)).await.unwrap();
    assert_eq!(page.items.len(), rows.len() - old);
    let (from, to) = (at("2026-11-18T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    compare(
        &store,
        &rows,
        &ReportAsk { from, to, group_by: vec![By::Day, By::Model], only: Vec::new(), zone: Zone::UTC },
    )
    .await;
    assert_eq!(store.retire(Some(before)).await.unwrap().rows, 0);
}

async fn rows_are_found_in_many_packs(place: Place) {
    let store = place.open().await;
    let mut options = place.options("n1");
    options.batch = 7;
    let (writer, task) = crate::harness::running(&store, options);
    let rows = rows();
    // As they end, not as they begin: packs overlap in time.
    let lasted = |nth: usize| std::time::Duration::from_secs(u64::try_from(nth * 7_919 % 30_000).unwrap());
    let mut ends: Vec<_> =
        rows.into_iter().enumerate().map(|(nth, row)| (row.time + lasted(nth), row)).collect();
    ends.sort_by_key(|(end, _)| *end);
    let mut rows: Vec<_> = ends.into_iter().map(|(_, row)| row).collect();
    for row in &mut rows {
        row.error = row.request.ends_with('7').then_some(llm_types::ErrorKind::Timeout);
        drop(writer.try_append(row));
    }
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    let any = RowFilter::default();
    for filter in [
        any.clone(),
        RowFilter { key: Some(KeyId::of_name("key 3")), ..any.clone() },
        RowFilter { team: Some("t1".into()), model: Some("m2".into()), ..any.clone() },
        RowFilter { deployment: Some("d5".into()), failed: true, ..any.clone() },
        RowFilter { provider: Some("p1".into()), from: Some(at("2026-11-19T00:00:00Z")), ..any.clone() },
        RowFilter { to: Some(at("2026-11-20T07:00:00Z")), failed: true, ..any.clone() },
        RowFilter { request: Some("2026-11-18-123".into()), ..any.clone() },
        RowFilter { user: Some("nobody".into()), ..any.clone() },
    ] {
        let takes = |row: &&UsageRow| {
            let RowFilter { from, to, request, key, team, user, model, provider, deployment, failed, .. } =
                &filter;
            from.is_none_or(|from| row.time >= from)
                && to.is_none_or(|to| row.time < to)
                && request.as_deref().is_none_or(|request| *row.request == *request)
                && key.is_none_or(|key| row.who.key == Some(key))
                && team.as_deref().is_none_or(|team| row.who.team.as_deref() == Some(team))
                && user.as_deref().is_none_or(|user| row.who.user.as_deref() == Some(user))
                && model.as_deref().is_none_or(|model| *row.served.model_asked == *model)
                && provider.as_deref().is_none_or(|provider| *row.served.provider == *provider)
                && deployment.as_deref().is_none_or(|deployment| *row.served.deployment == *deployment)
                && (!failed || row.error.is_some())
        };
        let mut expect: Vec<_> =
            rows.iter().filter(takes).map(|row| (row.time, row.request.to_string())).collect();
        expect.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        let (mut seen, mut ask) = (Vec::new(), Some(PageAsk::first(11)));
        while let Some(next) = ask {
            let page = store.rows(&filter, &next).await.unwrap();
            seen.extend(page.items.iter().map(|row| (row.time, row.request.clone())));
            ask = next.after(&page);
        }
        assert_eq!(seen, expect, "{filter:?}");
    }
}

async fn figures_beyond_belief_are_added_up_as_they_are(place: Place) {
    let store = place.open().await;
    let (writer, task) = place.writer(&store, "n1");
    // Two such figures would not fit one number together, and end at the most that is counted; three of those sums do
    // not fit one either.
    let figures = [5_000_000_000_000, 7].into_iter().chain([u64::MAX; 6]);
    for (nth, input) in figures.enumerate() {
        let mut row = row(&format!("r{nth}"), 1, 1);
        row.served.model_asked = format!("m{}", nth / 2).into();
        row.usage.input = input;
        row.tags = [std::sync::Arc::from("tagged")].into_iter().collect();
        drop(writer.try_append(&row));
        writer.flush(SOON).await;
    }
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    let (from, to) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    for group_by in [vec![By::Model], vec![By::Model, By::Tag], vec![By::Model, By::Tag, By::Key]] {
        let report =
            store.usage(&ReportAsk { from, to, group_by, only: Vec::new(), zone: Zone::UTC }).await.unwrap();
        let input: Vec<_> = report.rows.iter().map(|line| line.sums.input).collect();
        let most = u64::MAX / 4;
        assert_eq!(input, [5_000_000_000_007, most, most, most], "{report:?}");
    }
    let whole = ReportAsk { from, to, group_by: Vec::new(), only: Vec::new(), zone: Zone::UTC };
    let report = store.usage(&whole).await.unwrap();
    assert_eq!(report.rows[0].sums.input, 3 * (u64::MAX / 4) + 5_000_000_000_007);
}
