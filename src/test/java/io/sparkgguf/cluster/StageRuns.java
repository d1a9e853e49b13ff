package io.sparkgguf.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.job.stage.LocalClusterRuns;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Starts {@link LocalClusterRuns} as a driver of its own, with the classes of this JVM in driver and executors. */
final class StageRuns {
    private StageRuns() {}

    /**
     * Runs it to its end, which must be a good one.
     *
     * @param folder for its output and the marks of tasks
     * @param settings flags of the JVM, Spark's settings among them
     * @return all that it printed and logged
     */
    static List<String> run(Path folder, Map<String, String> environment, List<String> settings, String... more)
            throws IOException, InterruptedException {
        Path marks = Files.createDirectory(folder.resolve("marks"));
        Path output = folder.resolve("driver.log");
        String classes = System.getProperty("java.class.path");
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(flag -> flag.startsWith("--") || flag.startsWith("-D") || flag.startsWith("-XX"))
                .forEach(command::add);
        command.addAll(List.of(
                "-Xmx512m",
                "-Dspark.executor.memory=512m",
                "-Dspark.executor.extraClassPath=" + classes,
                "-Dspark.driver.host=127.0.0.1",
                "-Dspark.ui.enabled=false",
                "-Dspark.local.dir=" + folder.toAbsolutePath()));
        command.addAll(settings);
        command.addAll(List.of("-cp", classes, LocalClusterRuns.class.getName(), marks.toString()));
        command.addAll(List.of(more));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        builder.environment().putAll(environment);
        Process process = Processes.start(output, builder);
        try {
            assertTrue(process.waitFor(240, TimeUnit.SECONDS), "it hangs: " + Processes.tail(output));
        } finally {
            Processes.killTrees(List.of(process.toHandle()));
        }
        assertEquals(0, process.exitValue(), Processes.tail(output));
        return Processes.lines(output);
    }

    /** The {@code NAME=VALUE} lines of a log. */
    static Map<String, String> values(List<String> log) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String line : log) {
            if (line.matches("\\w+\\.\\w+=.*")) {
                values.put(line.substring(0, line.indexOf('=')), line.substring(line.indexOf('=') + 1));
            }
        }
        return values;
    }
}
