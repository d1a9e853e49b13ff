package io.sparkgguf.cluster;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An S3 store on loopback: Adobe's S3Mock as a process of its own, which speaks the protocol, with multipart uploads, ETags
 * and conditional requests, and keeps objects in a folder. It does not check signatures.
 */
public final class S3Server implements AutoCloseable {
    /** Where Maven put it; see the dependency plugin in pom.xml. */
    private static final Path JAR = Path.of("target", "test-servers", "s3mock.jar");

    private static final Duration START = Duration.ofSeconds(60);
    private static final Pattern PORTS = Pattern.compile("(\\d+) \\(http\\)");

    private final Process process;
    private final URI endpoint;
    private final HttpClient http = HttpClient.newHttpClient();

    private S3Server(Process process, URI endpoint) {
        this.process = process;
        this.endpoint = endpoint;
    }

    /**
     * Starts a store without buckets and returns when it answers.
     *
     * @param folder for its log and its objects; must exist
     */
    public static S3Server start(Path folder) throws IOException, InterruptedException {
        if (!Files.exists(JAR)) {
            throw new IOException("Cannot start S3: no " + JAR + "; run 'mvn test-compile' first");
        }
        Path log = folder.resolve("s3.log");
        Process process = Processes.start(
                log,
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx384m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Djava.io.tmpdir=" + folder.toAbsolutePath(),
                        "-jar",
                        JAR.toAbsolutePath().toString(),
                        "--server.address=127.0.0.1",
                        "--server.port=0", // this one speaks TLS
                        "--http.port=0",
                        "--com.adobe.testing.s3mock.store.root="
                                + folder.resolve("s3").toAbsolutePath(),
                        "--com.adobe.testing.s3mock.store.retain-files-on-exit=true"));
        try {
            String line = Processes.awaitLine(process, log, text -> text.contains("Tomcat started on ports"), START);
            Processes.awaitLine(process, log, text -> text.contains("Started S3MockApplication"), START);
            Matcher port = PORTS.matcher(line);
            if (!port.find()) {
                throw new IOException("Cannot find the port in: " + line);
            }
            return new S3Server(process, URI.create("http://127.0.0.1:" + port.group(1)));
        } catch (IOException | InterruptedException | RuntimeException e) {
            Processes.killTrees(List.of(process.toHandle()));
            throw e;
        }
    }

    /** Where it listens. */
    public URI endpoint() {
        return endpoint;
    }

    /** Makes a bucket. */
    public void createBucket(String name) throws IOException, InterruptedException {
        put("/" + name, HttpRequest.BodyPublishers.noBody());
    }

    /** Makes an object of a file. */
    public void put(String bucket, String key, Path file) throws IOException, InterruptedException {
        put("/" + bucket + "/" + key, HttpRequest.BodyPublishers.ofFile(file));
    }

    private void put(String path, HttpRequest.BodyPublisher body) throws IOException, InterruptedException {
        HttpResponse<String> response = http.send(
                HttpRequest.newBuilder(endpoint.resolve(path)).PUT(body).build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IOException("Cannot put " + path + ": " + response.statusCode() + " " + response.body());
        }
    }

    /** The bytes of an object. */
    public byte[] get(String bucket, String key) throws IOException, InterruptedException {
        return get("/" + bucket + "/" + key);
    }

    /** The keys of all multipart uploads of a bucket that were neither completed nor aborted, as the store lists them. */
    public List<String> openUploads(String bucket) throws IOException, InterruptedException {
        return texts(get("/" + bucket + "?uploads"), "Key");
    }

    /** The keys of all objects of a bucket. */
    public List<String> keys(String bucket) throws IOException, InterruptedException {
        return texts(get("/" + bucket + "?list-type=2"), "Key");
    }

    private byte[] get(String path) throws IOException, InterruptedException {
        HttpResponse<byte[]> response = http.send(
                HttpRequest.newBuilder(endpoint.resolve(path)).build(), HttpResponse.BodyHandlers.ofByteArray());
        if (response.statusCode() != 200) {
            throw new IOException("Cannot ask for " + path + ": status " + response.statusCode());
        }
        return response.body();
    }

    private static List<String> texts(byte[] answer, String tag) {
        String xml = new String(answer, StandardCharsets.UTF_8);
        return Pattern.compile("<" + tag + ">([^<]*)</" + tag + ">")
                .matcher(xml)
                .results()
                .map(match -> match.group(1))
                .toList();
    }

    /** Spark settings by which jobs reach this store through {@code endpoint}, which may be a proxy's. */
    public static Map<String, String> settings(URI endpoint) {
        Map<String, String> settings = new LinkedHashMap<>();
        hadoopSettings(endpoint).forEach((key, value) -> settings.put("spark.hadoop." + key, value));
        return settings;
    }

    /** The same for Hadoop's own configuration. */
    public static Map<String, String> hadoopSettings(URI endpoint) {
        return Map.of(
                "fs.s3a.endpoint", endpoint.toString(),
                "fs.s3a.endpoint.region", "us-east-1",
                "fs.s3a.path.style.access", "true",
                "fs.s3a.connection.ssl.enabled", "false",
                "fs.s3a.access.key", "test-access-key",
                "fs.s3a.secret.key", "test-secret-key");
    }

    @Override
    public void close() {
        Processes.killTrees(List.of(process.toHandle()));
    }
}
