package io.sparkgguf.cluster;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/**
 * A point of a run at which a process stands still to be killed: the n-th time that the driver, or any executor, creates,
 * opens or renames a file that a pattern matches. The run must know these files by their {@link #name}.
 *
 * @param folder of counts and of who is held
 * @param pattern of {@code driver|executor create|open|rename PATH}, as a regular expression
 * @param at counted from 1; 0 to count only
 */
record HoldPoint(Path folder, String pattern, long at) {
    static final String SCHEME = "held";
    static final String CONTROL = "fs.held.control";
    static final String PATTERN = "fs.held.pattern";
    static final String AT = "fs.held.at";
    static final String HELD = "held-by";

    private static final Duration REACHED = Duration.ofSeconds(600);

    /** Makes the folder. */
    static HoldPoint of(Path folder, String pattern, long at) throws IOException {
        return new HoldPoint(Files.createDirectories(folder.toAbsolutePath()), pattern, at);
    }

    /** The name of a file or folder by which it is reached through {@link HeldFiles}. */
    static String name(Path file) {
        return SCHEME + "://" + file.toAbsolutePath();
    }

    /** What the launcher needs to know of it. */
    List<String> options() throws IOException {
        Path jar = folder.resolve("held.jar");
        if (!Files.exists(jar)) {
            try (OutputStream out = Files.newOutputStream(jar);
                    JarOutputStream classes = new JarOutputStream(out)) {
                for (Class<?> used : List.of(HeldFiles.class, HoldPoint.class)) {
                    String name = used.getName().replace('.', '/') + ".class";
                    classes.putNextEntry(new JarEntry(name));
                    try (InputStream bytes = used.getClassLoader().getResourceAsStream(name)) {
                        bytes.transferTo(classes);
                    }
                }
            }
        }
        return List.of(
                "--jars",
                jar.toString(),
                "--conf",
                "spark.hadoop.fs." + SCHEME + ".impl=" + HeldFiles.class.getName(),
                "--conf",
                "spark.hadoop." + CONTROL + "=" + folder,
                "--conf",
                "spark.hadoop." + PATTERN + "=" + pattern,
                "--conf",
                "spark.hadoop." + AT + "=" + at);
    }

    /** A process that stands still, and what it was about to do. */
    record Held(ProcessHandle process, String what) {}

    /** Waits until a process stands still, kills it, and returns what it was about to do. */
    String kill(Submission run) throws IOException, InterruptedException {
        Held held = await(run);
        Processes.kill(held.process());
        return held.what();
    }

    /** Waits until a process stands still. */
    Held await(Submission run) throws IOException, InterruptedException {
        Path held = folder.resolve(HELD);
        Processes.await("a process to come to " + pattern + " number " + at, REACHED, () -> {
            if (!Files.exists(held) && !run.isAlive()) {
                throw new IOException("The run ended before, after " + counted() + ": " + run.err());
            }
            return Files.exists(held);
        });
        String[] who = Files.readString(held).split(" ", 2);
        return new Held(ProcessHandle.of(Long.parseLong(who[0])).orElseThrow(), who[1]);
    }

    /** How often something was done that another pattern matches, of what this one matched so far. */
    long counted(String of) throws IOException {
        long count = 0;
        for (Path file : counts()) {
            count += Files.readString(file).matches(of) ? 1 : 0;
        }
        return count;
    }

    /** How often the pattern matched so far. */
    long counted() throws IOException {
        return counts().size();
    }

    private List<Path> counts() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().matches("\\d+"))
                    .toList();
        }
    }
}
