package io.sparkgguf.job.stage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskStart;

/**
 * Stages on executors that are processes of their own, and what befalls them there. A main class, for Spark wants to find
 * its home in the environment; prints {@code NAME=VALUE} lines for {@code io.sparkgguf.cluster.LocalClusterTest}.
 */
public final class LocalClusterRuns {
    private static final long MEBIBYTE = 1 << 20;

    /** Of an executor: tasks that run in it now. */
    private static final AtomicInteger AT_ONCE = new AtomicInteger();

    private LocalClusterRuns() {}

    /** @param arguments an existing empty folder for marks that tasks leave; {@code speculation} for that alone */
    public static void main(String[] arguments) throws Exception {
        Path marks = Path.of(arguments[0]).toAbsolutePath();
        try (Session session = new Session("local cluster")) {
            if (arguments.length > 1) {
                speculation(session, marks.toString());
                return;
            }
            refusal(session, marks.toString());
            passingFailure(session, marks.toString());
            executorKilled(session, marks.toString());
            taskKilled(session, marks.toString());
            memory(session, "small", 10 * MEBIBYTE);
            memory(session, "large", 300 * MEBIBYTE);
        }
    }

    private static void print(String name, Object value) {
        System.out.println(name + "=" + value);
    }

    private static List<Integer> items(int count) {
        return IntStream.range(0, count).boxed().toList();
    }

    /** Leaves a mark of an attempt, and says whether it is the first one. */
    private static boolean mark(String folder, String name) throws IOException {
        Files.createFile(Path.of(folder, name + "-attempt-" + UUID.randomUUID()));
        try {
            Files.createFile(Path.of(folder, name));
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    private static long attempts(String folder, String name) throws IOException {
        try (Stream<Path> files = Files.list(Path.of(folder))) {
            return files.filter(file -> file.getFileName().toString().startsWith(name + "-attempt-"))
                    .count();
        }
    }

    private static void await(Path file) throws IOException {
        try {
            while (!Files.exists(file)) {
                Thread.sleep(10);
            }
        } catch (InterruptedException e) {
            throw new IOException("interrupted", e);
        }
    }

    /** What the driver saw of a stage. */
    private static final class Watch implements Recall<Integer>, Progress {
        private final Map<Integer, Integer> learned = new LinkedHashMap<>();
        private long total;
        private long done;
        private boolean ended;

        @Override
        public Integer known(int item) {
            return null;
        }

        @Override
        public void learned(int item, Integer result) {
            if (learned.put(item, result) != null) {
                throw new IllegalStateException("Item " + item + " was learned twice");
            }
        }

        @Override
        public void say(String line) {}

        @Override
        public void begin(String stage, long work, Unit unit) {
            total = work;
        }

        @Override
        public void advance(long work) {
            done += work;
        }

        @Override
        public void end() {
            ended = true;
        }
    }

    /** One item is refused while another one would take for ever. */
    private static void refusal(Session session, String marks) throws IOException {
        Watch watch = new Watch();
        try {
            Stage.of("refusal", items(3), item -> {
                        if (item == 0) {
                            return 0;
                        }
                        if (item == 1) {
                            mark(marks, "endless");
                            await(Path.of(marks, "never"));
                            return 1;
                        }
                        await(Path.of(marks, "endless"));
                        mark(marks, "refused");
                        throw new InvalidInputException("Cannot use item 2: it is the one");
                    })
                    .recall(watch)
                    .run(session, watch);
        } catch (InvalidInputException e) {
            print("refusal.message", e.getMessage());
        }
        print("refusal.attempts", attempts(marks, "refused"));
        print("refusal.endless", attempts(marks, "endless"));
        print("refusal.learned", watch.learned.keySet());
        print("refusal.ended", watch.ended);
    }

    /** One item fails twice and then does not. */
    private static void passingFailure(Session session, String marks) throws IOException {
        long retried = Telemetry.TASKS_RETRIED.sum();
        Watch watch = new Watch();
        List<Integer> results = Stage.of("passing", items(40), item -> {
                    if (item == 7) {
                        boolean first = mark(marks, "failing");
                        if (first || mark(marks, "failing-again")) {
                            throw new IOException("Cannot read item 7: the connection was cut");
                        }
                    }
                    return item * item;
                })
                .size(item -> 1 + item)
                .recall(watch)
                .run(session, watch);
        print("passing.right", results.equals(items(40).stream().map(i -> i * i).toList()));
        print("passing.attempts", attempts(marks, "failing"));
        print("passing.progress", watch.done + " of " + watch.total);
        print("passing.learned", watch.learned.size());
        print("passing.retried", Telemetry.TASKS_RETRIED.sum() - retried);
    }

    /** The process of an executor is killed in the middle of an item, with others on their way. */
    private static void executorKilled(Session session, String marks) throws IOException {
        long lost = Telemetry.EXECUTORS_LOST.sum();
        Watch watch = new Watch();
        List<Integer> results = Stage.of("killed", items(60), item -> {
                    if (item == 11 && mark(marks, "executor")) {
                        long pid = ProcessHandle.current().pid();
                        new ProcessBuilder("kill", "-9", Long.toString(pid)).start();
                        await(Path.of(marks, "never"));
                    }
                    return item + 1;
                })
                .size(item -> 1 + item)
                .recall(watch)
                .run(session, watch);
        print("killed.right", results.equals(items(60).stream().map(i -> i + 1).toList()));
        print("killed.attempts", attempts(marks, "executor"));
        print("killed.progress", watch.done + " of " + watch.total);
        print("killed.lost", Telemetry.EXECUTORS_LOST.sum() - lost);
    }

    /** A task is killed from outside, as one does in the UI. */
    private static void taskKilled(Session session, String marks) throws IOException {
        SparkListener killer = new SparkListener() {
            @Override
            public void onTaskStart(SparkListenerTaskStart start) {
                if (start.taskInfo().attemptNumber() == 0) {
                    Thread thread = new Thread(() -> {
                        try {
                            await(Path.of(marks, "task"));
                            session.context()
                                    .sc()
                                    .killTaskAttempt(start.taskInfo().taskId(), true, "test");
                        } catch (IOException e) {
                            throw new IllegalStateException(e);
                        }
                    });
                    thread.setDaemon(true);
                    thread.start();
                }
            }
        };
        session.context().sc().addSparkListener(killer);
        Watch watch = new Watch();
        List<Integer> results = Stage.of("task", items(1), item -> {
                    if (mark(marks, "task")) {
                        await(Path.of(marks, "never"));
                    }
                    return 5;
                })
                .recall(watch)
                .run(session, watch);
        session.context().sc().removeSparkListener(killer);
        print("task.result", results);
        print("task.attempts", attempts(marks, "task"));
        print("task.progress", watch.done + " of " + watch.total);
    }

    /** One item hangs at its first attempt; a second copy of it, on another host, does not. */
    private static void speculation(Session session, String marks) throws IOException {
        Watch watch = new Watch();
        List<Integer> results = Stage.of("slow", items(30), item -> {
                    if (item == 4 && mark(marks, "slow")) {
                        await(Path.of(marks, "never"));
                    }
                    return item + 1;
                })
                .size(item -> 1 + item)
                .recall(watch)
                .run(session, watch);
        print("slow.right", results.equals(items(30).stream().map(i -> i + 1).toList()));
        print("slow.attempts", attempts(marks, "slow"));
        print("slow.progress", watch.done + " of " + watch.total);
        print("slow.learned", watch.learned.size());
    }

    /** The most items that were ever at once in an executor; they wait for each other for a while. */
    private static void memory(Session session, String name, long bytes) throws IOException {
        ToLongFunction<Integer> each = item -> bytes;
        List<Integer> most = new ArrayList<>(new TreeSet<>(Stage.of(name, items(4), item -> {
                    int now = AT_ONCE.incrementAndGet();
                    long start = System.nanoTime();
                    try {
                        while (now < 2 && System.nanoTime() - start < TimeUnit.MILLISECONDS.toNanos(500)) {
                            Thread.sleep(5);
                            now = Math.max(now, AT_ONCE.get());
                        }
                    } catch (InterruptedException e) {
                        throw new IOException("interrupted", e);
                    } finally {
                        AT_ONCE.decrementAndGet();
                    }
                    return now;
                })
                .memory(each)
                .run(session, Progress.SILENT)));
        print(name + ".atOnce", most.get(most.size() - 1));
        print(name + ".fit", session.fits().get(name));
    }
}
