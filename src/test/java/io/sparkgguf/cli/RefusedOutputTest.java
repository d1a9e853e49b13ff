package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.format.imatrix.ImatrixWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Outputs, reports and work folders that would overwrite something, or cannot be written: known before the work is done. */
class RefusedOutputTest {
    @TempDir
    private static Path sound;

    private static Path model;
    private static Path gguf;

    @TempDir
    private Path folder;

    private OutputFolder output;

    @BeforeAll
    static void writeModels() throws IOException {
        model = Fixture.LLAMA.write(sound.resolve("llama"));
        gguf = sound.resolve("llama.gguf");
        Outcome outcome =
                Cli.run("quantize", "--model", model.toString(), "--output", gguf.toString(), "--type", "BF16");
        assertEquals(0, outcome.code(), outcome.err());
    }

    @BeforeEach
    void makeOutputFolder() throws IOException {
        output = new OutputFolder(folder.resolve("out"));
    }

    /** The line is refused for that reason, and every file of {@code folder} is as it was. */
    private void refuses(String reason, String model, String output, String... more) throws IOException {
        Set<String> before = Cli.names(folder);
        List<String> line =
                new ArrayList<>(List.of("quantize", "--model", model, "--output", output, "--type", "Q8_0"));
        line.addAll(List.of(more));
        this.output.requireFailure(Main.REFUSED, reason, Cli.run(line.toArray(String[]::new)));
        assertEquals(before, Cli.names(folder));
    }

    @Test
    void refusesToWriteOverItsSource() throws IOException {
        Path source = Files.copy(gguf, folder.resolve("model.gguf"));
        byte[] bytes = Files.readAllBytes(source);
        Path link = Files.createSymbolicLink(folder.resolve("link.gguf"), source);
        Path hardLink = Files.createLink(folder.resolve("hard.gguf"), source);
        Files.createSymbolicLink(folder.resolve("linked"), folder);
        List<String> names = List.of(
                source.toString(),
                folder + "/./out/../model.gguf",
                folder + "//model.gguf",
                source.toUri().toString(),
                "file:" + source,
                link.toString(),
                hardLink.toString(),
                folder.resolve("linked/model.gguf").toString(),
                Path.of("").toAbsolutePath().relativize(source).toString());
        for (String name : names) {
            refuses("Cannot write " + name + ": the model is read from it", source.toString(), name);
            refuses("Cannot write " + source + ": the model is read from it", name, source.toString());
        }
        refuses(
                "Cannot write " + source + ": the model is read from it",
                link.toString(),
                output.output().toString(),
                "--report",
                source.toString());
        assertArrayEquals(bytes, Files.readAllBytes(source));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "model.safetensors",
                "model.safetensors.index.json",
                "config.json",
                "generation_config.json",
                "tokenizer.json",
                "tokenizer_config.json"
            })
    void refusesToWriteOverAFileOfTheFolder(String name) throws IOException {
        Path copy = CheckpointDamage.copy(model, folder.resolve("model"));
        String file = copy.resolve(name).toString();
        refuses("Cannot write " + file + ": the model is read from it", copy.toString(), file);
        refuses(
                "Cannot write " + file + ": the model is read from it",
                copy + "/",
                output.output().toString(),
                "--report",
                file);
    }

    @Test
    void refusesToWriteOverTheImatrix() throws IOException {
        Path imatrix = folder.resolve("imatrix");
        try (OutputStream out = Files.newOutputStream(imatrix)) {
            ImatrixWriter.Collected entry = new ImatrixWriter.Collected("output.weight", 256, new long[] {1});
            new ImatrixWriter(List.of("text"), 1, 512).writeGguf(out, List.of(entry), (name, index) -> new float[256]);
        }
        String reason = "Cannot write " + imatrix + ": the imatrix is read from it";
        refuses(reason, model.toString(), imatrix.toString(), "--imatrix", imatrix.toString());
        String[] asReport = {"--imatrix", imatrix.toString(), "--report", imatrix.toString()};
        refuses(reason, model.toString(), output.output().toString(), asReport);
    }

    @Test
    void refusesOneNameForTwoFiles() throws IOException {
        String file = output.output().toString();
        refuses(
                "Cannot write " + file + ": the report and the output are to have this name",
                model.toString(),
                file,
                "--report",
                file);
    }

    @Test
    void refusesNamesThatNoFileCanHave() throws IOException {
        String out = folder.resolve("out").toString();
        String file = output.output().toString();
        refuses("Cannot write " + out + ": it is a folder", model.toString(), out);
        refuses("Cannot write " + out + "/: it is a folder", model.toString(), out + "/");
        refuses("Cannot write " + out + "/new/: that is the name of a folder", model.toString(), out + "/new/");
        refuses(
                "Cannot write " + out + "/no/x.gguf: folder " + out + "/no does not exist",
                model.toString(),
                out + "/no/x.gguf");
        refuses("Cannot write " + file + "/x.gguf: " + file + " is no folder", model.toString(), file + "/x.gguf");
        refuses("Cannot write /dev/null: it is a device or pipe", model.toString(), "/dev/null");
        refuses("Cannot use a file without a name", model.toString(), "");
        refuses("Cannot write " + out + ": it is a folder", model.toString(), file, "--report", out);
        refuses(
                "Cannot write " + out + "/no/r.json: folder " + out + "/no does not exist",
                model.toString(),
                file,
                "--report",
                out + "/no/r.json");
        refuses(
                "Cannot write " + out + "/no/work: folder " + out + "/no does not exist",
                model.toString(),
                file,
                "--work-dir",
                out + "/no/work");
        Files.createDirectories(folder.resolve("parts-00001-of-00003.gguf"));
        refuses(
                "Cannot write " + folder + "/parts-00001-of-00003.gguf: it is a folder",
                model.toString(),
                folder + "/parts.gguf",
                "--split-max-size",
                "600k");
    }

    @Test
    void refusesAWorkFolderOfSomebodyElse() throws IOException {
        Path other = Files.createDirectories(folder.resolve("other"));
        Files.writeString(other.resolve("precious"), "keep");
        String reason = "Cannot use work folder %s: it exists and was not made by this program;"
                + " name another with --work-dir";
        String file = output.output().toString();
        for (Path work : List.of(other, folder, output.output(), Path.of("/"))) {
            refuses(reason.formatted(work), model.toString(), file, "--work-dir", work.toString());
        }
        assertEquals("keep", Files.readString(other.resolve("precious")));
        Files.createDirectories(folder.resolve("x.gguf.unfinished/precious"));
        refuses("Cannot write " + folder + "/x.gguf.unfinished: it is a folder", model.toString(), folder + "/x.gguf");
    }

    @Test
    void saysThatAFolderMayNotBeWritten() throws IOException {
        assumeFalse(System.getProperty("user.name").equals("root"), "root may write everywhere");
        Path closed = Files.createDirectory(
                folder.resolve("closed"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("r-xr-xr-x")));
        String file = closed.resolve("x.gguf").toString();
        output.requireFailure(
                Main.FAILED,
                "Cannot create folder " + file + ".work: no permission",
                Cli.run("quantize", "--model", model.toString(), "--output", file, "--type", "Q8_0"));
        assertEquals(Set.of(), Cli.names(closed));
    }

    @Test
    void saysThatASchemeIsUnknown() throws IOException {
        for (String uri : List.of("gs://bucket/x.gguf", "nowhere://host/x.gguf")) {
            String reason = "Cannot reach " + uri + ": no file system for scheme " + uri.replaceAll(":.*", "")
                    + " on the class path (--packages may be missing)";
            output.requireFailure(
                    Main.FAILED,
                    reason,
                    Cli.run("quantize", "--model", model.toString(), "--output", uri, "--type", "Q8_0"));
            output.requireFailure(
                    Main.FAILED,
                    reason,
                    Cli.run(
                            "quantize",
                            "--model",
                            uri,
                            "--output",
                            output.output().toString(),
                            "--type",
                            "Q8_0"));
        }
    }

    /** Names are used as they are written: relative, with blanks, as URIs, with a slash behind a folder. */
    @Test
    void takesNamesAsPeopleWriteThem() throws IOException {
        Path spaced = CheckpointDamage.copy(model, folder.resolve("my models, all 100% %20"));
        Path here = Path.of("").toAbsolutePath();
        String expected = null;
        for (String name : List.of(
                spaced.toString(),
                spaced + "/",
                spaced.toUri().toString(),
                here.relativize(spaced).toString(),
                "./" + here.relativize(spaced) + "/")) {
            String file = folder.resolve("out/a b %20.gguf").toString();
            Outcome outcome = Cli.run("quantize", "--model", name, "--output", file, "--type", "Q4_0");
            assertEquals(0, outcome.code(), outcome.err());
            assertEquals(
                    Set.of("a b %20.gguf", "a b %20.gguf.report.json", "model.gguf"), Cli.names(folder.resolve("out")));
            expected = expected == null ? Cli.sha256(Path.of(file)) : expected;
            assertEquals(expected, Cli.sha256(Path.of(file)), name);
        }
    }

    @Test
    void theNextRunWorks() throws IOException {
        refuses("Cannot write " + folder + "/out: it is a folder", model.toString(), folder + "/out");
        output.accepts(model);
    }
}
