package io.sparkgguf.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A command line of {@code submit/spark-gguf} that was started, and what it printed. */
public final class Submission implements AutoCloseable {
    private final Process process;
    private final Path out;
    private final Path err;

    private Submission(Process process, Path out, Path err) {
        this.process = process;
        this.out = out;
        this.err = err;
    }

    /** Starts {@code launcher ARGUMENTS}; its output goes to files in {@code logs} that begin with {@code name}. */
    static Submission start(
            Path launcher, Path logs, String name, Map<String, String> environment, List<String> arguments)
            throws IOException {
        Path out = logs.resolve(name + ".out");
        Path err = logs.resolve(name + ".err");
        List<String> command = new ArrayList<>(List.of(launcher.toAbsolutePath().toString()));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .redirectInput(Path.of("/dev/null").toFile());
        builder.environment().remove("SPARK_HOME");
        builder.environment().remove("SPARK_CONF_DIR");
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().putAll(environment);
        return new Submission(builder.start(), out, err);
    }

    /** Waits for its end and returns the exit code. */
    public int await(Duration atMost) throws IOException, InterruptedException {
        if (!process.waitFor(atMost.toSeconds(), TimeUnit.SECONDS)) {
            close();
            throw new IllegalStateException("Still running after " + atMost.toSeconds() + " s: " + err());
        }
        return process.exitValue();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    /** The process: the driver in client mode, as the launcher turns into it. */
    public ProcessHandle handle() {
        return process.toHandle();
    }

    /** What it printed so far on standard output. */
    public String out() throws IOException {
        return Files.readString(out, StandardCharsets.UTF_8);
    }

    /** What it printed so far on standard error. */
    public String err() throws IOException {
        return Files.readString(err, StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        Processes.killTrees(List.of(process.toHandle()));
    }
}
