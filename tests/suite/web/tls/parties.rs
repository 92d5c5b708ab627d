//! The parties of a handshake: authorities, servers and clients, with generated certificates.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cxone_exporter::web::LiveWebConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

pub(super) const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Identity {
    pub(super) certificate: rcgen::Certificate,
    pub(super) key: KeyPair,
}

/// A client: its trusted roots, certificate, versions and protocols.
pub(crate) struct Caller {
    roots: RootCertStore,
    identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) protocols: Vec<&'static str>,
    pub(super) provider: CryptoProvider,
}

/// A folder with a server's files and a web configuration, and the authority that signed them.
pub(crate) struct Site {
    pub(super) folder: TempDir,
    pub(super) authority: Authority,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate of this authority for `names`.
    pub(crate) fn sign(&self, names: Vec<SanType>) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test");
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate, key }
    }

    pub(crate) fn localhost(&self) -> Identity {
        self.sign(vec![SanType::DnsName("localhost".try_into().unwrap())])
    }
}

// === impl Site ===

impl Site {
    /// `settings` are further lines of `tls_server_config` and the following sections.
    pub(crate) fn new(settings: &str) -> Self {
        let site = Self { folder: TempDir::new().unwrap(), authority: Authority::new("The authority") };
        site.install(&site.authority.localhost());
        fs::write(site.folder.path().join("ca.pem"), site.authority.0.pem()).unwrap();
        site.configure(settings);
        site
    }

    pub(crate) fn install(&self, server: &Identity) {
        fs::write(self.folder.path().join("server.pem"), server.certificate.pem()).unwrap();
        fs::write(self.folder.path().join("server.key"), server.key.serialize_pem()).unwrap();
    }

    pub(crate) fn configure(&self, settings: &str) {
        let text = format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{settings}");
        fs::write(self.file(), text).unwrap();
        LiveWebConfig::check(&self.file()).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        Path::join(self.folder.path(), "web.yml")
    }

    pub(crate) async fn open(&self) -> (TestApp, ScriptedServer) {
        guarded(self.file()).await
    }

    /// A client that trusts the site, without a certificate.
    pub(crate) fn caller(&self) -> Caller {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.0.der().clone()).unwrap();
        Caller { roots, identity: None, versions: BOTH, protocols: Vec::new(), provider: ring::default_provider() }
    }
}

// === impl Caller ===

impl Caller {
    pub(crate) fn showing(mut self, identity: &Identity) -> Self {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
        self.identity = Some((identity.certificate.der().clone(), key));
        self
    }

    pub(crate) fn speaking(mut self, versions: &'static [&'static SupportedProtocolVersion]) -> Self {
        self.versions = versions;
        self
    }

    /// Completes the handshake on the client side: with TLS 1.3 the server may still reject the certificate.
    pub(crate) async fn connect(&self, app: &TestApp) -> Option<TlsStream<TcpStream>> {
        Self::connect_with(&self.connector(), app).await
    }

    /// Only connections of the same connector resume each other's sessions.
    pub(crate) async fn connect_with(connector: &TlsConnector, app: &TestApp) -> Option<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(app.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, stream).await.ok()
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()));
        let builder = builder.with_protocol_versions(self.versions).unwrap().with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    /// Whether the server admits the client: one request is answered.
    pub(crate) async fn is_admitted(&self, app: &TestApp) -> bool {
        let Some(stream) = self.connect(app).await else { return false };
        match Client::from_stream(stream).request("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await {
            Some(response) => {
                assert_eq!((response.status, &*response.text()), (200, "healthy\n"));
                true
            }
            None => false,
        }
    }

    /// The certificate that the server shows.
    pub(crate) async fn sees(&self, app: &TestApp) -> CertificateDer<'static> {
        let stream = self.connect(app).await.expect("a handshake");
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}
