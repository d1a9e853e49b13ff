package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** What calibration is said to need of the disk, against the files that it writes. */
class CalibrationDiskTest {
    private static final long SEED = 8;

    @TempDir
    private Path folder;

    /** Looks at a folder whenever a stage begins or ends, and a task of it does. */
    private record Watch(Path watched, long[] most) implements Progress {
        private void look() {
            long[] bytes = new long[1];
            try {
                Files.walkFileTree(watched, new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                        bytes[0] += file.toString().contains("/calibration/") ? attributes.size() : 0;
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult visitFileFailed(Path file, IOException failure) {
                        return FileVisitResult.CONTINUE; // it went meanwhile, or is not there yet
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(Path folder, IOException failure) {
                        return FileVisitResult.CONTINUE;
                    }
                });
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            most[0] = Math.max(most[0], bytes[0]);
        }

        @Override
        public void say(String line) {}

        @Override
        public void begin(String stage, long total, Unit unit) {
            look();
        }

        @Override
        public void advance(long work) {
            look();
        }

        @Override
        public void end() {
            look();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--hold-out 0",
                "--hold-out 0.5",
                "--hold-out 0.5 --target-correction 0",
                "--shard-tokens 32",
                "--shard-tokens 64 --true-sequential --tile-size 64",
                "--propagate original --hold-out 0",
                "--method imatrix",
            })
    void theWorkFolderIsNoLargerThanPlanned(String options) throws IOException {
        Path model = Fixture.LLAMA.write(folder.resolve("model"));
        ByteBuffer tokens = ByteBuffer.allocate(4 * 256).order(ByteOrder.LITTLE_ENDIAN);
        new Random(SEED).ints(256, 0, 512).forEach(tokens::putInt);
        Path text = Files.write(folder.resolve("tokens.bin"), tokens.array());
        List<String> line = new ArrayList<>(List.of("--model", model.toString(), "--type", "Q4_0"));
        line.addAll(List.of("--calibration", text.toString(), "--sequence-length", "32", "--sweeps", "0"));
        line.addAll(Arrays.asList(options.split(" ")));
        QuantizeOptions asked = new QuantizeOptions();
        ParseResult parsed =
                new CommandLine(asked).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(line.toArray(String[]::new));
        Path work = folder.resolve("work");
        Watch watch = new Watch(work, new long[1]);
        long planned;
        System.setProperty("spark.master", "local[2]");
        try (Session session = new Session("disk")) {
            String output = folder.resolve("out.gguf").toString();
            planned = new QuantizeJob(session, asked.settings(parsed, output, null, work.toString()), watch)
                    .run()
                    .calibration()
                    .diskBytes();
        } finally {
            System.clearProperty("spark.master");
        }
        long found = watch.most()[0];
        assertTrue(found <= planned && found > 0.7 * planned, found + " bytes, planned " + planned);
    }
}
