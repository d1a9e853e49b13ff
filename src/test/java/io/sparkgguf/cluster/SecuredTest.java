package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.sparkgguf.cli.Cli;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A standalone cluster with the security settings of its template switched on, a secret among them. */
@Tag("cluster")
@Tag("long")
@Timeout(600)
class SecuredTest {
    private static final Duration RUN = Duration.ofSeconds(400);
    private static final String SECRET = "a-secret-that-nobody-shall-read";

    @TempDir
    Path folder;

    private Map<String, String> settings() throws IOException {
        Map<String, String> settings = new TreeMap<>(Templates.settings(Path.of("conf", "standalone.conf")));
        settings.keySet().removeIf(key -> !key.matches("spark\\.(authenticate|network|io\\.enc|redaction).*"));
        assertEquals("change-me", settings.put("spark.authenticate.secret", SECRET));
        return settings;
    }

    private Path properties(String name, Map<String, String> settings) throws IOException {
        return Files.write(
                folder.resolve(name),
                settings.entrySet().stream()
                        .map(setting -> setting.getKey() + " " + setting.getValue())
                        .toList());
    }

    private List<String> arguments(Path properties, Path output) {
        List<String> arguments = new ArrayList<>(List.of("--properties-file", properties.toString()));
        arguments.addAll(List.of("--executor-memory", "1g"));
        arguments.addAll(Recipe.PLAIN.arguments(output));
        return arguments;
    }

    @Test
    void onlyWhoKnowsTheSecretRunsAndNobodyTellsIt() throws Exception {
        Map<String, String> settings = settings();
        Path output = folder.resolve("secured.gguf");
        Path other = folder.resolve("other.gguf");
        Path known = properties("known.conf", settings);
        settings.put("spark.authenticate.secret", "a guess");
        Path guessed = properties("guessed.conf", settings);
        try (SparkCluster cluster = SparkCluster.start(folder, 2, 1, settings())) {
            try (Submission stranger = cluster.submit("quantize", arguments(guessed, other));
                    Submission run = cluster.submit("quantize", arguments(known, output))) {
                assertEquals(0, run.await(RUN), run.err());
                assertNotEquals(0, stranger.await(RUN), "a guess of the secret was good enough");
            }
        }
        assertEquals(Recipe.PLAIN.undisturbed(folder), Cli.sha256(output));
        assertFalse(Files.exists(other));
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                boolean configuration = file.getFileName().toString().endsWith(".conf");
                String text = new String(Files.readAllBytes(file), java.nio.charset.StandardCharsets.ISO_8859_1);
                assertFalse(!configuration && text.contains(SECRET), file + " tells the secret");
            }
        }
    }
}
