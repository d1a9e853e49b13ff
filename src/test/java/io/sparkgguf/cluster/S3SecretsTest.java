package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.alias.CredentialProvider;
import org.apache.hadoop.security.alias.CredentialProviderFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Secrets that a run is given, by configuration and by a credential provider, appear in nothing that it leaves or shows. */
@Tag("cluster")
@Timeout(300)
class S3SecretsTest {
    /** No name of anything holds it, so that it marks every secret. */
    private static final String MARK = "pl4nted";

    private static final String BUCKET = "secrets";

    @TempDir
    static Path folder;

    private static S3Server server;

    private final Map<String, String> settings = new TreeMap<>();
    private final List<String> found = Collections.synchronizedList(new ArrayList<>());

    @BeforeAll
    static void start() throws Exception {
        server = S3Server.start(folder);
        server.createBucket(BUCKET);
        try (Stream<Path> files = Files.list(Path.of(DOCS_LM))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                server.put(BUCKET, "model/" + file.getFileName(), file);
            }
        }
    }

    @AfterAll
    static void stop() {
        if (server != null) {
            server.close();
        }
    }

    private void plant(Path logs) throws IOException {
        settings.putAll(S3Server.settings(server.endpoint()));
        settings.remove("spark.hadoop.fs.s3a.access.key");
        settings.remove("spark.hadoop.fs.s3a.secret.key");
        settings.put("spark.hadoop.hadoop.security.credential.provider.path", provider());
        for (String key : List.of(
                "spark.hadoop.fs.s3a.bucket.other.secret.key",
                "spark.hadoop.fs.s3a.bucket.other.session.token",
                "spark.hadoop.fs.s3a.bucket.other.encryption.key",
                "spark.hadoop.fs.azure.account.key.store.dfs.core.windows.net",
                "spark.hadoop.ssl.server.keystore.password",
                "spark.authenticate.secret",
                "spark.ssl.keyStorePassword",
                "javax.net.ssl.keyStorePassword")) {
            settings.put(key, MARK + "-" + key.length());
        }
        settings.put("spark.hadoop.shown.on.purpose", "in-the-open");
        settings.put("spark.ui.enabled", "true");
        settings.put("spark.ui.port", "0");
        settings.put("spark.eventLog.enabled", "true");
        settings.put("spark.eventLog.compress", "false");
        settings.put("spark.eventLog.dir", logs.toUri().toString());
        settings.put("spark.extraListeners", PageReader.class.getName());
        settings.forEach(System::setProperty);
        PageReader.also = this::search;
    }

    @AfterEach
    void end() {
        settings.keySet().forEach(System::clearProperty);
        PageReader.also = () -> {};
        PageReader.PAGES.clear();
    }

    /** A key store with the store's credentials, as {@code hadoop credential create} makes it. */
    private static String provider() throws IOException {
        String uri = "localjceks://file" + folder.resolve("keys.jceks").toAbsolutePath();
        Configuration configuration = new Configuration();
        configuration.set(CredentialProviderFactory.CREDENTIAL_PROVIDER_PATH, uri);
        CredentialProvider provider =
                CredentialProviderFactory.getProviders(configuration).get(0);
        for (String alias : List.of("fs.s3a.access.key", "fs.s3a.secret.key")) {
            if (provider.getCredentialEntry(alias) == null) {
                provider.createCredentialEntry(alias, (MARK + "-" + alias).toCharArray());
            }
        }
        provider.flush();
        return uri;
    }

    /** Looks into every file there is: the store's objects, the work folder among them, logs and event logs. */
    private void search() {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                if (holds(file, MARK)) {
                    found.add(folder.relativize(file).toString());
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean holds(Path file, String text) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1).contains(text);
        } catch (NoSuchFileException e) {
            return false; // removed since it was listed
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Outcome quantize(String model) {
        return Cli.run(
                "quantize", "--model", model, "--output", "s3a://" + BUCKET + "/out/model.gguf", "--type", "Q8_0");
    }

    @Test
    void nothingThatARunLeavesOrShowsHoldsASecret() throws Exception {
        Path logs = Files.createDirectories(folder.resolve("events"));
        plant(logs);
        Outcome good = quantize("s3a://" + BUCKET + "/model");
        assertEquals(0, good.code(), good.err());
        Outcome bad = quantize("s3a://no-such-bucket/model");
        assertNotEquals(0, bad.code());
        search();
        assertEquals(List.of(), found);
        for (Outcome outcome : List.of(good, bad)) {
            assertFalse((outcome.out() + outcome.err()).contains(MARK), outcome.err());
        }

        assertEquals(8, PageReader.PAGES.size(), "pages of the UI");
        PageReader.PAGES.forEach((path, text) -> {
            assertTrue(text.length() > 100, "page " + path + " is empty");
            assertFalse(text.contains(MARK), "page " + path + " shows a secret");
        });
        // what is not a secret is shown: the search looks where settings are
        assertTrue(PageReader.PAGES.get("api/environment").contains("in-the-open"));
        try (Stream<Path> events = Files.walk(logs)) {
            assertTrue(events.filter(Files::isRegularFile).anyMatch(log -> holds(log, "in-the-open")));
        }
    }
}
