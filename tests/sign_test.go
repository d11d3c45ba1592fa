package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// sigstoreCmd is `sigstore KEYFILE DIR REFERENCE DIGESTFILE`: it makes a key, writes its public half to
// KEYFILE, and signs an image as sigstore does, the signature in a directory as registries.d's
// lookaside names it.
func sigstoreCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: sigstore KEYFILE DIR REFERENCE DIGESTFILE")
	}
	sum := strings.TrimSpace(ts.ReadFile(args[3]))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))
	payload := fmt.Appendf(nil, `{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":%q},"identity":{"docker-reference":%q}},"optional":{}}`, sum, args[2])
	digest := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	ts.Check(err)
	blob, err := json.Marshal(map[string]any{
		"mimeType":    "application/vnd.dev.cosign.simplesigning.v1+json",
		"payload":     payload,
		"annotations": map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)},
	})
	ts.Check(err)
	_, path, _ := strings.Cut(args[2], "/")
	path, _, _ = strings.Cut(path, ":")
	dir := filepath.Join(ts.MkAbs(args[1]), path+"@"+strings.Replace(sum, ":", "=", 1))
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "signature-1"), append([]byte("\x00sigstore-json\n"), blob...), 0o644))
}
