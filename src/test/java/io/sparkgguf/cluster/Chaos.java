package io.sparkgguf.cluster;

import io.sparkgguf.cli.Cli;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * Kills executors and drivers at random points of real runs and compares what comes out with what one undisturbed thread
 * makes. Points are chosen by number among all files that executors create, open or rename in the source and the work
 * folder; units that were begun tell how much was done again. A killed driver's line is run once more.
 *
 * <pre>
 * mvn -DskipTests package
 * java (the flags of pom.xml's jvm.flags) -cp target/test-classes:target/classes:LIBRARIES \
 *     io.sparkgguf.cluster.Chaos FOLDER [SEED [EXECUTOR_KILLS [DRIVER_KILLS]]]
 * </pre>
 */
public final class Chaos {
    private static final Duration RUN = Duration.ofMinutes(20);
    private static final String ANYTHING = "executor .*";

    private final Path folder;
    private final SparkCluster cluster;
    private final Random random;
    private final PrintStream out;
    private final Map<Recipe, Undisturbed> undisturbed = new EnumMap<>(Recipe.class);
    private int runs;
    private int equal;

    /** What a run comes to that nobody disturbs: its digest, and how much executors do. */
    private record Undisturbed(String digest, long operations, long units) {}

    private Chaos(Path folder, SparkCluster cluster, long seed, PrintStream out) {
        this.folder = folder;
        this.cluster = cluster;
        this.random = new Random(seed);
        this.out = out;
    }

    /** See the class. Ends with 1 when a digest differs. */
    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length < 1 || args.length > 4) {
            throw new IllegalArgumentException("Usage: Chaos FOLDER [SEED [EXECUTOR_KILLS [DRIVER_KILLS]]]");
        }
        Path folder = Files.createDirectories(Path.of(args[0]).toAbsolutePath());
        long seed = args.length > 1 ? Long.parseLong(args[1]) : 20261123;
        int executors = args.length > 2 ? Integer.parseInt(args[2]) : 20;
        int drivers = args.length > 3 ? Integer.parseInt(args[3]) : 10;
        System.out.println("seed " + seed);
        try (SparkCluster cluster = SparkCluster.start(folder, 2, 1)) {
            Chaos chaos = new Chaos(folder, cluster, seed, System.out);
            for (int i = 0; i < executors; i++) {
                chaos.kill(Recipe.values()[i % 2], false);
            }
            for (int i = 0; i < drivers; i++) {
                chaos.kill(Recipe.values()[i % 2], true);
            }
            System.out.printf(Locale.ROOT, "%d of %d digests are equal%n", chaos.equal, chaos.runs);
            if (chaos.equal < chaos.runs) {
                System.exit(1);
            }
        }
    }

    private Undisturbed undisturbed(Recipe recipe) throws IOException, InterruptedException {
        Undisturbed known = undisturbed.get(recipe);
        if (known == null) {
            HoldPoint counting = HoldPoint.of(folder.resolve("undisturbed-" + recipe), ANYTHING, 0);
            String digest = recipe.undisturbed(folder);
            String same = Cli.sha256(finish(recipe, "undisturbed-" + recipe, counting));
            if (!same.equals(digest)) {
                throw new IOException("Undisturbed, the cluster makes " + same + " and one thread " + digest);
            }
            known = new Undisturbed(digest, counting.counted(), counting.counted(recipe.unit()));
            undisturbed.put(recipe, known);
            out.printf(
                    Locale.ROOT,
                    "%s undisturbed: sha256 %s, %d operations on files, %d units%n",
                    recipe,
                    digest,
                    known.operations,
                    known.units);
        }
        return known;
    }

    private void kill(Recipe recipe, boolean driver) throws IOException, InterruptedException {
        Undisturbed expected = undisturbed(recipe);
        long at = 1 + random.nextLong(expected.operations);
        String name = "run-" + runs++;
        HoldPoint point = HoldPoint.of(folder.resolve(name + "-point"), ANYTHING, at);
        long units;
        Path output;
        String where;
        try (Submission run = submit(recipe, name, point)) {
            HoldPoint.Held held = point.await(run);
            where = held.what().replaceFirst("/.*/", "…/");
            Processes.kill(driver ? run.handle() : held.process());
            if (driver) {
                HoldPoint again = HoldPoint.of(folder.resolve(name + "-again"), ANYTHING, 0);
                output = finish(recipe, name, again);
                units = point.counted(recipe.unit()) + again.counted(recipe.unit());
            } else {
                output = ended(run, name);
                units = point.counted(recipe.unit());
            }
        }
        boolean same = Cli.sha256(output).equals(expected.digest);
        equal += same ? 1 : 0;
        out.printf(
                Locale.ROOT,
                "%2d %-10s %-8s killed at %5d of %5d, %s: %s, %d units done again%n",
                runs,
                recipe,
                driver ? "driver" : "executor",
                at,
                expected.operations,
                where,
                same ? "equal" : "DIFFERENT",
                units - expected.units);
    }

    private Submission submit(Recipe recipe, String name, HoldPoint point) throws IOException {
        Path output = Files.createDirectories(folder.resolve(name)).resolve("model.gguf");
        List<String> arguments = recipe.arguments(output, folder.resolve(name + "-work"), point);
        return cluster.submit("quantize", arguments);
    }

    private Path finish(Recipe recipe, String name, HoldPoint point) throws IOException, InterruptedException {
        try (Submission run = submit(recipe, name, point)) {
            return ended(run, name);
        }
    }

    private Path ended(Submission run, String name) throws IOException, InterruptedException {
        int code = run.await(RUN);
        if (code != 0) {
            throw new IOException(name + " ended with " + code + ": " + run.err());
        }
        return folder.resolve(name).resolve("model.gguf");
    }
}
