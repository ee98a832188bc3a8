// Command language-host is what the engine starts as pulumi-language-nodejs: it runs the project's program by the SDK's npm package, as the
// official one does, which is not published as a Go module
// (https://github.com/pulumi/pulumi/tree/master/sdk/nodejs/cmd/pulumi-language-nodejs).
//
// usage: language-host NODE_OPTION... -- [OPTION...] ENGINE_ADDRESS
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumi "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// The SDK's exit status when it has already printed the error.
const alreadyPrinted = 32

func main() {
	own, last := slices.Index(os.Args, "--"), len(os.Args)-1
	if own < 0 || own == last {
		log.Fatal("usage: language-host NODE_OPTION... -- [OPTION...] ENGINE_ADDRESS")
	}
	// The engine holds the other end of the input, however it ends.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// A stopped server cancels its calls, and waits for them: no program outlives the host.
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	pulumi.RegisterLanguageRuntimeServer(server, &host{options: os.Args[1:own], engine: os.Args[last]})
	go func() {
		<-ctx.Done()
		server.Stop()
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

// host answers what the engine asks of it here. The rest it refuses as unimplemented.
type host struct {
	pulumi.UnimplementedLanguageRuntimeServer
	options []string
	engine  string
}

func (h *host) Run(ctx context.Context, request *pulumi.RunRequest) (*pulumi.RunResponse, error) {
	info := request.Info
	options := info.Options.AsMap()
	if typescript, isSet := options["typescript"]; !isSet || typescript != false || len(options) > 1 {
		problem := fmt.Sprintf(`Pulumi.yaml's runtime options are %s; known here: {"typescript":false}`, toJSON(options))
		return &pulumi.RunResponse{Error: problem}, nil
	}
	config := map[string]string{}
	for key, value := range request.Config {
		// The older form, <package>:config:<name>, which every version of the SDK reads.
		namespace, name, _ := strings.Cut(key, ":")
		config[namespace+":config:"+strings.TrimPrefix(name, "config:")] = value
	}
	secretKeys := append([]string{}, request.ConfigSecretKeys...)
	args := append(slices.Clone(h.options), filepath.Join(info.ProgramDirectory, "node_modules/@pulumi/pulumi/cmd/run"))
	for flag, value := range map[string]string{
		"monitor":        request.MonitorAddress,
		"engine":         h.engine,
		"organization":   request.Organization,
		"project":        request.Project,
		"root-directory": info.RootDirectory,
		"stack":          request.Stack,
		"pwd":            info.ProgramDirectory,
		"parallel":       fmt.Sprint(request.Parallel),
	} {
		args = append(args, "--"+flag, value)
	}
	if request.DryRun {
		args = append(args, "--dry-run")
	}
	program := command(ctx, "node", append(append(args, info.EntryPoint), request.Args...)...)
	program.Env = append(os.Environ(), "PULUMI_CONFIG="+toJSON(config), "PULUMI_CONFIG_SECRET_KEYS="+toJSON(secretKeys))
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	// The program's stdin ends when this host is gone: then preload.js ends the program.
	if _, err := program.StdinPipe(); err != nil {
		return nil, err
	}
	err := program.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumi.RunResponse{}, nil
	case !errors.As(err, &exit):
		return nil, err
	case exit.ExitCode() == alreadyPrinted:
		return &pulumi.RunResponse{Bail: true}, nil
	case !exit.Exited():
		return &pulumi.RunResponse{Error: "Program was ended by " + exit.String()}, nil
	default:
		return &pulumi.RunResponse{Error: fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	}
}

// GetRequiredPackages gives the providers that the installed packages are for, with the versions that the engine makes sure of.
func (h *host) GetRequiredPackages(
	_ context.Context, request *pulumi.GetRequiredPackagesRequest,
) (*pulumi.GetRequiredPackagesResponse, error) {
	directory := request.Info.ProgramDirectory
	var lock struct{ Packages map[string]struct{} }
	if err := readJSON(filepath.Join(directory, "node_modules/.package-lock.json"), &lock); err != nil {
		return nil, fmt.Errorf("%w; npm ci installs what the program needs", err)
	}
	response := &pulumi.GetRequiredPackagesResponse{}
	for path := range lock.Packages {
		if !strings.Contains(path, "node_modules/@pulumi/") {
			continue
		}
		var manifest struct {
			Name, Version string
			Pulumi        struct {
				Resource              bool
				Name, Version, Server string
			}
		}
		if err := readJSON(filepath.Join(directory, path, "package.json"), &manifest); err != nil {
			return nil, err
		}
		provider := manifest.Pulumi
		if !provider.Resource {
			continue
		}
		if provider.Name == "" {
			provider.Name = strings.TrimPrefix(manifest.Name, "@pulumi/")
		}
		if provider.Version == "" {
			provider.Version = manifest.Version
		}
		response.Packages = append(response.Packages, &pulumi.PackageDependency{
			Name: provider.Name, Kind: "resource", Version: "v" + provider.Version, Server: provider.Server,
		})
	}
	return response, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumi.PluginInfo, error) {
	return &pulumi.PluginInfo{Version: version.Version}, nil
}

func (h *host) About(ctx context.Context, _ *pulumi.AboutRequest) (*pulumi.AboutResponse, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	version, err := command(ctx, node, "--version").Output()
	return &pulumi.AboutResponse{Executable: node, Version: strings.TrimSpace(string(version))}, err
}

// InstallDependencies gives npm's output back to the caller, as the official host does.
func (h *host) InstallDependencies(
	request *pulumi.InstallDependenciesRequest, stream pulumi.LanguageRuntime_InstallDependenciesServer,
) error {
	output, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, request.IsTerminal)
	if err != nil {
		return err
	}
	npm := command(stream.Context(), "npm", "install", "--loglevel=error")
	npm.Dir, npm.Stdout, npm.Stderr = request.Info.ProgramDirectory, stdout, stderr
	err = npm.Run()
	if closed := output.Close(); err == nil {
		return closed
	}
	return fmt.Errorf("npm install: %w", err)
}

// command is a process that is interrupted when the engine cancels the call or ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// toJSON writes what can always be written.
func toJSON(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

func readJSON(path string, value any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value)
}
