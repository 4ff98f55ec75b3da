//! The API over TLS.

use phaseline::api::{Limits, Tls};
use phaseline::store::Role;
use reqwest::{Certificate, Client};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::server::{Answer, Served};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_the_certificate_is_answered_and_plain_text_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Served::start_with(Limits::default(), Some(Tls::load(&cert, &key).unwrap())).await;
    let viewer = server.role(Role::Viewer).await;
    let trust = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = Client::builder().add_root_certificate(trust).build().unwrap();
    let url = format!("https://localhost:{}/api/v1/runs", server.address.port());
    let answer = client.get(&url).bearer_auth(&viewer).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(Client::new().get(&url).send().await.is_err(), "nobody vouches for it");
    drop((client, answer));

    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(Answer::read(&mut plain).await.is_none());
    drop(plain);
    server.stop().await;
}
