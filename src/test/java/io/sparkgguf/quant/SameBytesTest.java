package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.kernel.Lanes;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The bytes do not depend on the vector width, nor on the JDK: child processes of other kinds make the same. */
@Tag("long")
class SameBytesTest {
    private static final boolean X86 = List.of("amd64", "x86_64").contains(System.getProperty("os.arch"));

    private static Map<String, String> expected;

    @BeforeAll
    static void encodeHere() {
        expected = SeededDigests.compute();
        assertTrue(expected.keySet().containsAll(List.of("Q4_K", "gemm", "gram", "factor")), expected.toString());
    }

    /** Vectors of 4, 8 or 16 floats, as far as the processor has them; elsewhere than on x86 the flag says nothing. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void anyVectorWidthGivesTheSameBytes(int avx) throws IOException, InterruptedException {
        int lanes = assertSame(Path.of(System.getProperty("java.home")), "-XX:UseAVX=" + avx);
        if (X86 && avx == 0) {
            assertEquals(4, lanes, "the flag was heard");
        }
    }

    @Test
    void anotherJdkGivesTheSameBytes() throws IOException, InterruptedException {
        Optional<Path> other = otherJdk();
        if (other.isEmpty()) {
            String line = "no second JDK of 17 or 25 is near; to have one: set JDK17_HOME or JDK25_HOME";
            System.out.println("SKIPPED, " + line);
            Assumptions.abort(line);
        }
        assertSame(other.get(), "-showversion");
    }

    /** Runs {@link SeededDigests} by this JDK and returns how many lanes it had. */
    private static int assertSame(Path jdk, String flag) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of(jdk.resolve("bin").resolve("java").toString()));
        // the flags that this process was started with: the build names them in one place
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> !argument.startsWith("-javaagent"))
                .toList());
        command.addAll(List.of(
                flag,
                "-cp",
                classes(BlockFormats.class) + File.pathSeparator + classes(SeededDigests.class),
                SeededDigests.class.getName()));
        Path out = Files.createTempFile("digests", ".txt");
        Path err = Files.createTempFile("digests", ".err");
        try {
            int code = new ProcessBuilder(command)
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start()
                    .waitFor();
            assertEquals(0, code, () -> read(err));
            Map<String, String> answer = new TreeMap<>();
            Files.readAllLines(out).forEach(line -> answer.put(line.split(" ")[0], line.split(" ")[1]));
            int lanes = Integer.parseInt(answer.remove("lanes"));
            assertEquals(
                    expected,
                    answer,
                    "seed " + SeededDigests.SEED + " with " + Lanes.WIDTH + " lanes here, " + lanes + " by " + jdk + " "
                            + flag);
            return lanes;
        } finally {
            Files.delete(out);
            Files.delete(err);
        }
    }

    /** A JDK 17 or 25 that is not this one's kind: as the environment names it, else beside this one. */
    private static Optional<Path> otherJdk() throws IOException {
        List<Path> candidates = new ArrayList<>();
        for (String name : List.of("JDK17_HOME", "JDK25_HOME")) {
            if (System.getenv(name) != null) {
                candidates.add(Path.of(System.getenv(name)));
            }
        }
        try (Stream<Path> siblings =
                Files.list(Path.of(System.getProperty("java.home")).getParent())) {
            siblings.sorted().forEach(candidates::add);
        }
        int wanted = Runtime.version().feature() == 25 ? 17 : 25;
        return candidates.stream().filter(jdk -> feature(jdk) == wanted).findFirst();
    }

    /** The JDK's number as its release file has it; 0 for a folder that is none. */
    private static int feature(Path jdk) {
        Path release = jdk.resolve("release");
        if (!Files.isRegularFile(release)) {
            return 0;
        }
        Matcher matcher = Pattern.compile("(?m)^JAVA_VERSION=\"(\\d+)").matcher(read(release));
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
    }

    private static String classes(Class<?> member) {
        try {
            return Path.of(member.getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toURI())
                    .toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
