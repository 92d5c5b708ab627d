//! Incremental refreshes of servers that cut buckets at the edges of a request or list a state twice.

use super::*;

#[tokio::test]
async fn cut_buckets_and_repeated_states_equal_the_truth() {
    let cases = [
        (Align::HourCut, Order::Agent, 60, ""),
        (Align::HourCut, Order::Time, 5, "repeated-states"),
        (Align::Hour, Order::Time, 60, "repeated-states"),
        (Align::Window, Order::Agent, 15, "repeated-states x-gzip"),
    ];
    for (seed, (align, order, minutes, variants)) in (20..).zip(cases) {
        let api_variants = variants.split_whitespace().map(|text| text.parse().unwrap()).collect();
        let options = SimulatorOptions { agents: 7, align, order, seed, api_variants, ..SimulatorOptions::default() };
        IncrementalHarness::new(options, minutes, 3).await.assert_exact_for_two_days(seed).await;
    }
}

#[tokio::test]
async fn cut_first_bucket_is_requested_and_not_prorated() {
    let options = SimulatorOptions { agents: 4, align: Align::HourCut, ..SimulatorOptions::default() };
    let harness = IncrementalHarness::new(options, 60, 1).await;
    for _ in 0..120 {
        let window = harness.window();
        let (answered, _) = harness.refresh_successfully().await;
        harness.assert_exact(&answered, window);
        harness.clock().advance(MINUTE * 37);
    }
}
