package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A whole Spark distribution, the one that {@code SPARK_HOME} names: with {@code bin/spark-submit}, and what Maven's jars
 * have not, YARN and Kubernetes. {@code pip install pyspark==4.2.0} brings one.
 */
final class Distribution {
    /** Set to true where the tests that need a distribution must not be skipped. */
    private static final String REQUIRED = "spark.distribution.required";

    private Distribution() {}

    /** Its folder; the test is skipped when there is none. */
    static Path home() throws IOException {
        String home = System.getenv("SPARK_HOME");
        boolean complete =
                home != null && !jars(Path.of(home), "spark-yarn_2.13-4").isEmpty();
        String missing = "Without SPARK_HOME, a Spark distribution of version 4, nothing is run on YARN";
        if (Boolean.getBoolean(REQUIRED)) {
            assertTrue(complete, missing);
        }
        assumeTrue(complete, missing);
        return Path.of(home).toAbsolutePath();
    }

    /** The jars that know the settings of YARN and Kubernetes; none without a distribution. */
    static List<Path> extras() throws IOException {
        String home = System.getenv("SPARK_HOME");
        List<Path> found = new ArrayList<>();
        if (home != null) {
            for (String prefix : List.of("spark-yarn_2.13-4", "spark-kubernetes_2.13-4", "kubernetes-")) {
                found.addAll(jars(Path.of(home), prefix));
            }
        }
        return found;
    }

    private static List<Path> jars(Path home, String prefix) throws IOException {
        if (!Files.isDirectory(home.resolve("jars"))) {
            return List.of();
        }
        try (Stream<Path> jars = Files.list(home.resolve("jars"))) {
            return jars.filter(jar -> jar.getFileName().toString().startsWith(prefix))
                    .toList();
        }
    }
}
