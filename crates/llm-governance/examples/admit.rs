//! A key with a dollar a day: requests until it is spent.

use std::sync::Arc;

use llm_governance::{
    Budget, Change, Charge, Directory, Error, Facts, Gate, Key, KeyId, NewKey, Now, Period, PriceBound, Terms,
};
use llm_types::PicoUsd;

fn main() -> Result<(), Error> {
    let dollar = PicoUsd::from_pico(1_000_000_000_000);
    let new = NewKey::generate()?;
    let terms = Terms { budgets: vec![Budget::hard(dollar, Period::Day)], ..Terms::default() };
    let key = Key { terms: Arc::new(terms), hint: new.hint, ..Key::new(KeyId::generate()?, new.hash) };
    let directory = Arc::new(Directory::new());
    directory.apply([Change::PutKey(Box::new(key))])?;
    let gate = Gate::new(Arc::clone(&directory));

    // At most 0.1 USD for the prompt and 0.0001 USD for each token of an answer of at most 4,000.
    let bound = PriceBound {
        fixed: PicoUsd::from_pico(100_000_000_000),
        per_output_token: PicoUsd::from_pico(100_000_000),
        output_tokens: 4_000,
        clamp_to: Some(100),
    };
    let facts = Facts {
        alias_of: None,
        model: "gpt-4o",
        route: "/v1/chat/completions",
        tags: &[],
        tokens: 5_000,
        bound: Some(bound),
    };
    let mut stdout = String::new();
    for nth in 1.. {
        let now = Now::read();
        let who = match directory.authenticate(new.secret.expose(), None, now) {
            Ok(who) => who,
            Err(error) => return Err(Error::Store(Box::new(error))),
        };
        let attempt = gate.try_admit(&who, &facts, now).and_then(|mut grant| {
            let attempt = grant.try_attempt("openai", Some(&bound), now)?;
            grant.finish(3_000, now);
            Ok(attempt)
        });
        let mut attempt = match attempt {
            Ok(attempt) => attempt,
            Err(refusal) => {
                stdout += &format!("{nth}: {} {}\n", refusal.error.status(), refusal.error);
                break;
            }
        };
        let limit = attempt.output_limit().unwrap_or(bound.output_tokens);
        attempt.sent();
        // It answers at half the length.
        let settled = attempt.settle(Charge::reported(bound.with_output(limit / 2)));
        stdout += &format!(
            "{nth}: at most {limit} tokens, reserved {}, cost {}\n",
            settled.reserved, settled.amount
        );
    }
    std::io::Write::write_all(&mut std::io::stdout(), stdout.as_bytes())
        .map_err(|error| Error::Store(Box::new(error)))
}
