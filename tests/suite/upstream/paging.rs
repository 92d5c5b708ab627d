//! Paging: all pages or none, and a limit.

use super::*;

async fn fetch(script: impl Fn(&Request) -> Response + Send + Sync + 'static) -> (FetchResult, ScriptedServer) {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, script).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
    (harness.fetch().await, upstream)
}

#[tokio::test]
async fn a_page_token_is_sent_back_unchanged() {
    let (fetched, upstream) = fetch(|request| match request.query("nextPageToken").as_deref() {
        None => Response::json(r#"{"data":[],"nextPageToken":"a+b/c=&d é%20\n"}"#),
        Some(token) => {
            assert_eq!(token, "a+b/c=&d é%20\n");
            Response::json("{}")
        }
    })
    .await;
    assert_eq!(fetched.error, None);
    assert_eq!(upstream.pages().len(), 2);
}

#[tokio::test]
async fn empty_pages_do_not_end_paging() {
    let (fetched, upstream) = fetch(|request| match request.nth {
        nth @ 0..5 => Response::json(format!(r#"{{"data":[],"nextPageToken":"{nth}"}}"#)),
        5 => Response::json(page(request, 0, Some("last"))),
        _ => Response::json(page(request, 1, None)),
    })
    .await;
    assert_exact(&fetched, 1);
    assert_eq!(upstream.pages().len(), 7);
}

#[tokio::test]
async fn repeated_page_tokens_fail_the_batch() {
    for cycle in 1..=3 {
        let (fetched, upstream) =
            fetch(move |request| Response::json(page(request, 0, Some(&format!("page-{}", request.nth % cycle)))))
                .await;
        assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Paging, 1));
        assert!(fetched.answered.is_empty());
        assert_eq!(upstream.pages().len(), cycle + 1);
    }
}

#[tokio::test]
async fn endless_pages_end_at_the_limit_of_the_window() {
    let (fetched, upstream) =
        fetch(|request| Response::json(page(request, 0, Some(&format!("page-{}", request.nth))))).await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::TooMuch, 1));
    assert_eq!(upstream.pages().len(), 24 + 2);
}

#[tokio::test]
async fn a_page_token_over_the_limit_is_an_error() {
    let (fetched, _) = fetch(|request| Response::json(page(request, 0, Some(&"x".repeat(5000))))).await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::TooMuch, 1));
}

#[tokio::test]
async fn a_batch_that_fails_on_its_last_page_counts_nothing() {
    let (fetched, _) = fetch(|request| match request.nth {
        0 => Response::json(page(request, 0, Some("page-2"))),
        _ => Response::json("nonsense"),
    })
    .await;
    assert_eq!(failure(&fetched), (Endpoint::Presence, ErrorKind::Decode, 1));
    assert!(fetched.answered.is_empty());
    assert_eq!(fetched.rejections, FetchResult::default().rejections);
}
