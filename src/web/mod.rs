//! The HTTP server: listeners, TLS, limits, routes. Only this module and the simulator use hyper.
//!
//! | path | answers |
//! | --- | --- |
//! | `/` | the status page |
//! | `/metrics` | the exporter's own series and, where there is exactly one tenant, that tenant's |
//! | `/probe?target=TENANT` | one tenant's series |
//! | `/sd` | Prometheus HTTP service discovery: one target a tenant |
//! | `/-/healthy` | 200 while the process answers; independent of CXone |
//! | `/-/ready` | 200 once the configuration is loaded and the listener is up |
//! | `POST /-/reload` | reloads the configuration, if `--web.enable-lifecycle` is set |
//! | `/config` | the effective configuration, secrets as `<secret>` |

mod app;
mod authority;
mod basic_auth;
mod body;
mod client_certificates;
mod connection_pool;
mod connection_state;
mod discovery;
mod http2_streams;
mod limits;
mod live_config;
mod page;
mod password_queue;
mod rate_limit;
mod reload;
mod request;
mod response;
mod router;
mod scrape;
mod scrape_limit;
mod server;
mod socket;
mod timeout_io;
mod tls;

pub use app::{App, LoadedConfig, Options, TenantHandle};
pub use body::Chunks;
pub use limits::DRAIN_TIMEOUT;
pub use live_config::{LiveWebConfig, WebConfigError};
pub use reload::{ReloadHandle, ReloadRequest, ReloadRequests, reload_channel};
pub use server::{BindError, Listeners};

/// Entry points of the fuzz targets.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use std::sync::Arc;

    use tokio::io::{AsyncRead, AsyncWrite};

    use super::{App, server};

    /// Serves a connection until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, app: Arc<App>) {
        // Every end of a connection is fine here.
        let _ = server::connection(stream, app).await;
    }
}
