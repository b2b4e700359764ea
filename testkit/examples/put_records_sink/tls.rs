//! A certificate for `localhost`, made at the start and signed by itself.

use std::error::Error;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What the sink shows to its clients.
pub(crate) struct Identity {
    certificate: rcgen::Certificate,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::try_from(KeyPair::serialize_der(&signing_key))?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            certificate: cert,
            config: Arc::new(config),
        })
    }

    /// The certificate that clients must trust.
    pub(crate) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}
