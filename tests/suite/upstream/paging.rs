//! Pages: to the end, all or nothing, and an end there is.

use super::*;

async fn fetch(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Harvest, Scripted) {
    let clock = clock();
    let upstream = Scripted::start(&clock, script).await;
    let bench = Bench::new(&clock, &upstream.base_url(), |tenant| tenant.agents = agents(1));
    (bench.fetch().await, upstream)
}

#[tokio::test]
async fn a_page_token_is_sent_back_as_it_came() {
    let (harvest, upstream) = fetch(|asked| match asked.query("nextPageToken").as_deref() {
        None => Answer::json(r#"{"data":[],"nextPageToken":"a+b/c=&d é%20\n"}"#),
        Some(token) => {
            assert_eq!(token, "a+b/c=&d é%20\n");
            Answer::json("{}")
        }
    })
    .await;
    assert_eq!(harvest.error, None);
    assert_eq!(upstream.pages().len(), 2);
}

#[tokio::test]
async fn empty_pages_on_the_way_are_passed() {
    let (harvest, upstream) = fetch(|asked| match asked.nth {
        nth @ 0..5 => Answer::json(format!(r#"{{"data":[],"nextPageToken":"{nth}"}}"#)),
        5 => Answer::json(page(asked, 0, Some("last"))),
        _ => Answer::json(page(asked, 1, None)),
    })
    .await;
    assert_exact(&harvest, 1);
    assert_eq!(upstream.pages().len(), 7);
}

#[tokio::test]
async fn pages_that_repeat_are_an_error_and_none_of_them_counts() {
    for cycle in 1..=3 {
        let (harvest, upstream) =
            fetch(move |asked| Answer::json(page(asked, 0, Some(&format!("page-{}", asked.nth % cycle))))).await;
        assert_eq!(failure(&harvest), (Endpoint::Presence, ErrorKind::Paging, 1));
        assert!(harvest.answered.is_empty());
        assert_eq!(upstream.pages().len(), cycle + 1);
    }
}

#[tokio::test]
async fn pages_without_end_are_given_up_when_the_window_is_full() {
    let (harvest, upstream) = fetch(|asked| Answer::json(page(asked, 0, Some(&format!("page-{}", asked.nth))))).await;
    assert_eq!(failure(&harvest), (Endpoint::Presence, ErrorKind::TooMuch, 1));
    assert_eq!(upstream.pages().len(), 24 + 2);
}

#[tokio::test]
async fn a_page_token_too_long_to_be_sent_back_is_an_error() {
    let (harvest, _) = fetch(|asked| Answer::json(page(asked, 0, Some(&"x".repeat(5000))))).await;
    assert_eq!(failure(&harvest), (Endpoint::Presence, ErrorKind::TooMuch, 1));
}

#[tokio::test]
async fn a_batch_that_fails_on_its_last_page_leaves_nothing_behind() {
    let (harvest, _) = fetch(|asked| match asked.nth {
        0 => Answer::json(page(asked, 0, Some("page-2"))),
        _ => Answer::json("nonsense"),
    })
    .await;
    assert_eq!(failure(&harvest), (Endpoint::Presence, ErrorKind::Decode, 1));
    assert!(harvest.answered.is_empty());
    assert_eq!(harvest.rejections, Harvest::default().rejections);
}
