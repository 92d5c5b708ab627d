//! The front: listener, limits, routes, page. Only this module (and the simulator) knows hyper.
//!
//! | path | answers |
//! | --- | --- |
//! | `/` | the status page |
//! | `/metrics` | the exporter's own series and, where there is exactly one tenant, that tenant's |
//! | `/probe?target=TENANT` | one tenant's series |
//! | `/sd` | Prometheus HTTP service discovery: one target a tenant |
//! | `/-/healthy` | 200 as long as the process answers; never depends on CXone |
//! | `/-/ready` | 200 once the configuration is loaded and the listener is up |
//! | `POST /-/reload` | reads the configuration again, where `--web.enable-lifecycle` allows it |
//! | `/config` | the effective configuration, secrets as `<secret>` |

mod app;
mod basic_auth;
mod body;
mod client_certificates;
mod connection_pool;
mod limits;
mod live_config;
mod page;
mod rate_limit;
mod reload;
mod request;
mod router;
mod scrape;
mod scrape_limit;
mod server;
mod socket;
mod threads;
mod timeout_io;
mod tls;

pub use app::{App, LoadedConfig, Options, TenantHandle};
pub use body::Chunks;
pub use limits::DRAIN_TIMEOUT;
pub use live_config::{LiveWebConfig, WebConfigError};
pub use reload::{ReloadHandle, ReloadRequest, ReloadRequests, reload_channel};
pub use server::{BindError, Listeners};
pub use threads::Threads;

/// What the fuzz targets reach into.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use std::sync::Arc;

    use tokio::io::{AsyncRead, AsyncWrite};

    use super::{App, server};

    /// Answers the requests on a connection until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, app: Arc<App>) {
        // Whatever ends a connection, it has ended.
        let _ = server::connection(stream, app).await;
    }
}
