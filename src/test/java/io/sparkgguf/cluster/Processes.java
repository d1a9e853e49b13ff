package io.sparkgguf.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Child processes of a test: what they are called, how they end, and what is waited for. */
final class Processes {
    private static final Duration POLL = Duration.ofMillis(20);

    private Processes() {}

    /** Starts a process whose standard output and error go to one file. */
    static Process start(Path log, ProcessBuilder builder) throws IOException {
        return builder.redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .start();
    }

    /** A process's whole command line, as {@code ps} prints it; empty when it has ended. */
    static String commandLine(ProcessHandle process) throws IOException {
        Process ps = new ProcessBuilder("ps", "-ww", "-o", "args=", "-p", Long.toString(process.pid())).start();
        String line = new String(ps.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return line.strip();
    }

    /** The direct children of a process whose command line names {@code mainClass}. */
    static List<ProcessHandle> children(ProcessHandle parent, String mainClass) throws IOException {
        List<ProcessHandle> found = new ArrayList<>();
        for (ProcessHandle child : parent.children().toList()) {
            if (List.of(commandLine(child).split(" ")).contains(mainClass)) {
                found.add(child);
            }
        }
        return found;
    }

    /** {@code kill -9}; returns when the process is gone. */
    static void kill(ProcessHandle process) throws InterruptedException {
        process.destroyForcibly();
        await("process " + process.pid() + " to end", Duration.ofSeconds(20), () -> !process.isAlive());
    }

    /** Ends processes and all that they started. */
    static void killTrees(List<ProcessHandle> roots) {
        List<ProcessHandle> all = roots.stream()
                .flatMap(root -> Stream.concat(Stream.of(root), root.descendants()))
                .toList();
        all.forEach(ProcessHandle::destroyForcibly);
        for (ProcessHandle process : all) {
            try {
                process.onExit().get(20, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
                throw new IllegalStateException("Process " + process.pid() + " does not end", e);
            }
        }
    }

    /** Waits for something to become true; the only time that counts is how long a test may hang. */
    static void await(String what, Duration atMost, Callable<Boolean> condition) throws InterruptedException {
        long end = System.nanoTime() + atMost.toNanos();
        while (true) {
            try {
                if (condition.call()) {
                    return;
                }
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException("Cannot wait for " + what, e);
            }
            if (System.nanoTime() > end) {
                throw new IllegalStateException("Waited " + atMost.toSeconds() + " s in vain for " + what);
            }
            Thread.sleep(POLL.toMillis());
        }
    }

    /** Waits for a line in a process's log; tells the log's end when the process dies first. */
    static String awaitLine(Process process, Path log, Predicate<String> wanted, Duration atMost)
            throws IOException, InterruptedException {
        String[] found = new String[1];
        await("a line in " + log, atMost, () -> {
            found[0] = lines(log).stream().filter(wanted).findFirst().orElse(null);
            if (found[0] == null && !process.isAlive()) {
                throw new IOException("Process ended with " + process.exitValue() + ": " + tail(log));
            }
            return found[0] != null;
        });
        return found[0];
    }

    static List<String> lines(Path log) throws IOException {
        return new String(Files.readAllBytes(log), StandardCharsets.UTF_8)
                .lines()
                .toList();
    }

    static String tail(Path log) throws IOException {
        List<String> lines = lines(log);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 40), lines.size()));
    }
}
