//! Pages that repeat, overlap, are missing or out of order, or do not end.

use super::*;

/// Both hours of the second agent.
fn both(request: &Request) -> [String; 2] {
    [record(request, 0, 1), record(request, 1, 1)]
}

/// The second agent's last page with these records and this rest.
fn with(records: impl Fn(&Request) -> Vec<String> + Send + Sync + 'static, rest: &'static str) -> Fault {
    Fault::new(Hits::LastPage, move |request| {
        Response::json(format!(r#"{{"data":[{}]{rest}}}"#, records(request).join(",")))
    })
}

#[tokio::test]
async fn pages_in_disorder() {
    let served = |data| healed("200=4", 0.0).serving([Data::New, data]);
    let half = Data::Only(&[("Available", 1200.0), ("Offline", 2400.0)]);
    let shifted = |request: &Request| vec![record(request, 1, 1).replace(":00:00Z", ":30:00Z")];
    let half_an_hour_more = Data::Only(&[("Available", 1800.0), ("Offline", 3600.0)]);
    check(vec![
        (
            "a page that comes again",
            with(|request| vec![record(request, 0, 1)], ""),
            served(half).rejecting("duplicate=1"),
        ),
        (
            "the page before, ahead of this one",
            with(|request| both(request).to_vec(), ""),
            served(Data::New).rejecting("duplicate=1"),
        ),
        (
            "a record that is there ten times",
            with(|request| vec![record(request, 1, 1); 10], ""),
            served(Data::New).rejecting("duplicate=9"),
        ),
        (
            "in another order",
            with(|request| both(request).into_iter().rev().collect(), ""),
            served(Data::New).rejecting("duplicate=1"),
        ),
        (
            "the same hour with other numbers",
            with(|request| vec![record(request, 1, 1), record(request, 0, 2)], ""),
            served(Data::New).rejecting("duplicate=1"),
        ),
        ("hours that overlap", with(shifted, ""), served(half_an_hour_more).rejecting("overlap=1")),
        ("a page that is missing", with(|_| Vec::new(), ""), served(half)),
    ])
    .await;
}

#[tokio::test]
async fn endless_pages() {
    let repeats: &[&str] = &["The pages repeat themselves"];
    let endless = |request: &Request| {
        let next = request.query("nextPageToken").unwrap_or_default();
        Response::json(format!(r#"{{"data":[],"nextPageToken":"{next}x"}}"#))
    };
    let long = format!(r#"{{"data":[],"nextPageToken":"{}"}}"#, "x".repeat(5000));
    check(vec![
        (
            "the token of the page itself",
            with(|_| Vec::new(), r#","nextPageToken":"page-2""#),
            partial("200=4", 0.0, repeats),
        ),
        (
            "a page that leads to itself",
            every(Response::json(r#"{"data":[],"nextPageToken":"page-1"}"#)),
            failed("200=4", 0.0, repeats),
        ),
        ("always another page", Fault::new(Hits::LastPage, endless), partial("200=14", 0.0, &["The pages do not end"])),
        (
            "a token too long to be sent",
            last(Response::json(long)),
            partial("200=4", 0.0, &["too many to be sent back"]),
        ),
    ])
    .await;
}
