// Command registry is distribution's registry: serve CONFIG, or garbage-collect CONFIG.
//
// With ECR_API in its environment it is ECR's registry. ECR's API, which knows the repositories, their policies and their immutable tags,
// is asked about every request first, and answers what it refuses. Handlers around the whole registry are an extension point of
// distribution; its access controllers can refuse nothing but a login, and have no words of their own.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/sirupsen/logrus"
	"github.com/soheilhy/cmux"
)

// What ECR takes at most.
const manifestLimit = 4 << 20

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: registry serve|garbage-collect CONFIG")
	}
	file, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	config, err := configuration.Parse(file)
	if err != nil {
		log.Fatal(err)
	}
	level, err := logrus.ParseLevel(string(config.Log.Level))
	if err != nil {
		log.Fatal(err)
	}
	logrus.SetLevel(level)
	switch os.Args[1] {
	case "serve":
		err = serve(config)
	case "garbage-collect":
		err = collectGarbage(config)
	default:
		err = fmt.Errorf("not a command: %s", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve(config *configuration.Configuration) error {
	var handler http.Handler = handlers.NewApp(context.Background(), config)
	if api := os.Getenv("ECR_API"); api != "" {
		handler = &gate{api: api, registry: handler, client: http.Client{Timeout: 30 * time.Second}}
	}
	listener, err := net.Listen("tcp", config.HTTP.Addr)
	if err != nil {
		return err
	}
	if config.HTTP.TLS.Certificate == "" {
		return http.Serve(listener, handler)
	}
	// Buildx speaks plain HTTP to a loopback address, and never to ECR: it is told to come back with TLS.
	connections := cmux.New(listener)
	plain, secure := connections.Match(cmux.HTTP1Fast()), connections.Match(cmux.Any())
	go http.Serve(plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	go http.ServeTLS(secure, handler, config.HTTP.TLS.Certificate, config.HTTP.TLS.Key)
	return connections.Serve()
}

// gate lets through what ECR's API allows.
type gate struct {
	api      string
	registry http.Handler
	client   http.Client
	// Held from the question about a manifest until it is stored: of two pushes to one tag, the second finds the first.
	manifests sync.Mutex
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question, err := http.NewRequestWithContext(r.Context(), r.Method, g.api+r.URL.RequestURI(), nil)
	if err != nil {
		refuse(w, err)
		return
	}
	question.Header.Set("Authorization", r.Header.Get("Authorization"))
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, manifestLimit))
		if err != nil {
			refuse(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		question.Header.Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", sha256.Sum256(body)))
		g.manifests.Lock()
		defer g.manifests.Unlock()
	}
	if r.Method == http.MethodPost {
		// ECR has what a layer is mounted from only where an account asks for it; the repository it is in was not asked about.
		query := r.URL.Query()
		query.Del("mount")
		query.Del("from")
		r.URL.RawQuery = query.Encode()
	}
	answer, err := g.client.Do(question)
	if err != nil {
		refuse(w, err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		g.registry.ServeHTTP(w, r)
		return
	}
	for _, name := range []string{"Content-Type", "Www-Authenticate"} {
		if value := answer.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, err.Error(), status)
}

// collectGarbage deletes the blobs that no repository has any more.
func collectGarbage(config *configuration.Configuration) error {
	ctx := context.Background()
	driver, err := factory.Create(ctx, config.Storage.Type(), config.Storage.Parameters())
	if err != nil {
		return err
	}
	registry, err := storage.NewRegistry(ctx, driver)
	if err != nil {
		return err
	}
	return storage.MarkAndSweep(ctx, driver, registry, storage.GCOpts{Quiet: true})
}
