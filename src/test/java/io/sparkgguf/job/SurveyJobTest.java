package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.format.imatrix.Importance;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.linear.LinearRounder;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.quant.linear.SchemeName;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Surveys of docs-lm, through the command line. */
class SurveyJobTest {
    private static final LocalStorage STORAGE = new LocalStorage();
    private static final String DOWN = "blk.2.ffn_down.weight";
    private static final String SCHEMES =
            "int4-mse,int8-p99.9,int3-asym-p99,int4-asym-g32-mse,int5-row,int4-clamp0.1," + "Q4_0,Q3_K,TQ2_0,F16";
    private static final String TENSORS = "blk\\.2\\.(ffn_down|attn_q)|^output.weight";

    @TempDir
    static Path folder;

    private static Path imatrix;
    private static Path survey;
    private static List<Row> table;
    private static ModelWeights weights;

    @BeforeAll
    static void survey() throws IOException {
        imatrix = Imatrices.write(folder.resolve("imatrix.gguf"), Map.of(DOWN, 768, "blk.2.attn_q.weight", 256));
        survey = folder.resolve("two");
        Outcome outcome = run("local[2]", survey, "--exact");
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(outcome.err().contains("warning: the imatrix has no values for 1 of 3 tensors"), outcome.err());
        table = read(survey);
        weights = ModelWeights.of(Checkpoint.open(STORAGE, DOCS_LM, null).model());
    }

    private static Outcome run(String master, Path output, String... more) {
        List<String> line = new ArrayList<>(List.of("survey", "--model", DOCS_LM, "--output", output.toString()));
        line.addAll(List.of("--imatrix", imatrix.toString(), "--schemes", SCHEMES, "--tensors", TENSORS));
        line.addAll(List.of(more));
        return Cli.runOn(master, line.toArray(String[]::new));
    }

    private static List<Row> read(Path survey) throws IOException {
        try (SparkSession spark = SparkSession.builder()
                .master("local[1]")
                .config("spark.ui.enabled", "false")
                .config(
                        "spark.sql.warehouse.dir",
                        folder.resolve("warehouse").toUri().toString())
                .getOrCreate()) {
            return spark.read()
                    .parquet(survey.resolve("survey.parquet").toUri().toString())
                    .collectAsList();
        }
    }

    private static Path part(Path survey) throws IOException {
        try (Stream<Path> files = Files.list(survey.resolve("survey.parquet"))) {
            return files.filter(file -> file.toString().endsWith(".parquet"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static Row row(String tensor, String scheme) {
        return table.stream()
                .filter(row -> row.getAs("tensor").equals(tensor)
                        && row.getAs("scheme").equals(scheme))
                .findFirst()
                .orElseThrow();
    }

    private static float[] weights(String tensor) throws IOException {
        Shape shape = weights.shape(tensor);
        float[] x = new float[(int) shape.elements()];
        try (WeightSource source = weights.open(STORAGE)) {
            source.rows(tensor, 0, (int) shape.rows(), x, 0);
        }
        return x;
    }

    /** Every figure of a table's row, from the weights by plain loops. */
    @ParameterizedTest
    @CsvSource({
        "int4-mse",
        "int8-p99.9",
        "int3-asym-p99",
        "int4-asym-g32-mse",
        "int5-row",
        "int4-clamp0.1",
        "Q4_0",
        "Q3_K",
        "TQ2_0",
        "F16"
    })
    void figuresAreThoseOfRoundingTheTensor(String name) throws IOException {
        Scheme scheme = SchemeName.parse(name);
        Shape shape = weights.shape(DOWN);
        int rows = (int) shape.rows();
        int columns = (int) shape.columns();
        float[] x = weights(DOWN);
        float[] y = new float[x.length];
        float[] importance;
        ImportanceMatrix matrix = ImportanceMatrix.open(
                STORAGE, imatrix.toString(), new ImportanceFilter(List.of(), List.of()), Set.of(DOWN));
        try (RangeReader reader = STORAGE.open(imatrix.toString())) {
            importance = Importance.load(reader, matrix.entries().get(DOWN), columns, 0);
        }
        Double clipped = null;
        if (scheme instanceof LinearScheme linear) {
            LinearRounder rounder = new LinearRounder(linear);
            rounder.round(x, 0, rows, columns, importance, 0, y, 0);
            clipped = rounder.clipped() / (double) x.length;
        } else {
            BlockType type = BlockType.of(name).orElseThrow();
            BlockFormat format = BlockFormats.of(type);
            byte[] blocks = new byte[(int) type.bytes(x.length)];
            format.encode(x, 0, rows, columns, type.isScalar() ? null : importance, 0, blocks, 0);
            format.decode(blocks, 0, x.length, y, 0);
        }
        double error = 0;
        double weightedError = 0;
        double squares = 0;
        double weightedSquares = 0;
        for (int i = 0; i < x.length; i++) {
            double weight = importance[i % columns];
            error += Math.pow((double) x[i] - y[i], 2);
            weightedError += weight * Math.pow((double) x[i] - y[i], 2);
            squares += (double) x[i] * x[i];
            weightedSquares += weight * x[i] * x[i];
        }
        double sigma = Math.sqrt(squares / x.length);
        int outliers = 0;
        for (float v : x) {
            outliers += Math.abs(v) > 6 * sigma ? 1 : 0;
        }
        Row row = row(DOWN, scheme.label());
        assertEquals((long) rows, row.<Long>getAs("rows_surveyed"));
        assertEquals(List.of((long) rows, (long) columns), row.getList(row.fieldIndex("shape")));
        assertEquals(scheme.bytes(shape), row.<Long>getAs("bytes"));
        assertEquals(scheme.bitsPerWeight(shape), row.<Double>getAs("bits_per_weight"));
        assertEquals(error, row.<Double>getAs("squared_error"), 1e-10 * error);
        assertEquals(weightedError, row.<Double>getAs("weighted_squared_error"), 1e-10 * weightedError);
        assertEquals(squares, row.<Double>getAs("squares"), 1e-10 * squares);
        assertEquals(Math.sqrt(error / squares), row.<Double>getAs("relative_error"), 1e-10);
        assertEquals(Math.sqrt(weightedError / weightedSquares), row.<Double>getAs("weighted_relative_error"), 1e-10);
        assertEquals(outliers / (double) x.length, row.<Double>getAs("outlier_share"));
        assertEquals(clipped, row.getAs("clipped_share"));
        assertEquals(sigma, row.<Double>getAs("sigma"), 1e-10 * sigma);
    }

    @Test
    void histogramsCountEveryWeightInBinsOfAQuarterSigma() throws IOException {
        Row row = row(DOWN, "Q4_0");
        double sigma = row.getAs("sigma");
        long[] expected = new long[66];
        for (float v : weights(DOWN)) {
            int bin = 0;
            while (bin < 65 && v >= (bin - 32) * sigma / 4) {
                bin++;
            }
            expected[bin]++;
        }
        List<Long> histogram = row.getList(row.fieldIndex("histogram"));
        for (int bin = 0; bin < expected.length; bin++) {
            assertEquals(expected[bin], histogram.get(bin), "bin " + bin);
        }
    }

    @Test
    void theTableHasEveryTensorAndSchemeAndNoWeightedErrorWithoutImportance() {
        assertEquals(3 * 10, table.size());
        Row output = row("output.weight", "Q4_0");
        for (String column : List.of("weighted_relative_error", "weighted_squared_error", "weighted_squares")) {
            assertNull(output.getAs(column), column);
        }
        assertTrue(output.<Double>getAs("relative_error") > 0);
        assertTrue(row("output.weight", "int4-clamp0.1").<Double>getAs("clipped_share") > 0);
    }

    @Test
    void oneThreadWritesTheSameBytes() throws IOException {
        Path one = folder.resolve("one");
        Outcome outcome = run("local[1]", one, "--exact");
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(Cli.sha256(part(survey)), Cli.sha256(part(one)));
    }

    @Test
    void sampledRowsAreEvenlySpreadAndScaledUp() throws IOException {
        Path sampled = folder.resolve("sampled");
        Outcome outcome = run("local[2]", sampled, "--rows", "40");
        assertEquals(0, outcome.code(), outcome.err());
        LinearRounder rounder = new LinearRounder((LinearScheme) SchemeName.parse("int5-row"));
        int checked = 0;
        for (Row row : read(sampled)) {
            assertEquals(40L, row.<Long>getAs("rows_surveyed"));
            if (!row.getAs("scheme").equals("int5-row")) {
                continue;
            }
            Shape shape = weights.shape(row.getAs("tensor"));
            int columns = (int) shape.columns();
            float[] x = weights(row.getAs("tensor"));
            float[] y = new float[columns];
            double error = 0;
            for (int i = 0; i < 40; i++) { // the middle of each fortieth
                int from = (int) ((2 * i + 1) * shape.rows() / 80) * columns;
                rounder.round(x, from, 1, columns, null, 0, y, 0);
                for (int j = 0; j < columns; j++) {
                    error += Math.pow((double) x[from + j] - y[j], 2);
                }
            }
            double all = error * shape.rows() / 40;
            assertEquals(all, row.<Double>getAs("squared_error"), 1e-10 * all, row.toString());
            checked++;
        }
        assertEquals(3, checked);
        for (long chosen : new long[] {1, 3, 64, 100}) {
            long before = -1;
            for (long i = 0; i < chosen; i++) {
                long row = SurveySlice.row(i, chosen, 100);
                assertTrue(row > before && row < 100, chosen + ": " + row);
                assertEquals((i + 0.5) * 100 / chosen, row, 1);
                before = row;
            }
        }
    }

    @Test
    void slicesStayWithinOneMatrixOfAStack() {
        ModelTensor stack =
                new ModelTensor("experts", Shape.of(3, 10, 1 << 20), new ModelTensor.Computed(new float[0]));
        List<SurveySlice> slices = SurveySlice.cut(7, stack, 0);
        long rows = 0;
        for (SurveySlice slice : slices) {
            assertEquals(slice.matrix(), slice.row(0) / 10);
            assertEquals(slice.matrix(), slice.row(slice.rows() - 1) / 10);
            assertEquals(rows, slice.row(0));
            rows += slice.rows();
        }
        assertEquals(30, rows);
        assertEquals(9, slices.size()); // four rows a slice: 4, 4 and 2 of each matrix
        assertEquals(3, SurveySlice.cut(7, stack, 4).size());
    }

    @Test
    void theSummaryIsPrintedAndKept() throws IOException {
        JsonNode summary =
                new ObjectMapper().readTree(survey.resolve("summary.json").toFile());
        assertEquals(3, summary.get("tensors").asInt());
        assertFalse(summary.has("rows"));
        double before = 0;
        for (JsonNode scheme : summary.get("schemes")) {
            assertTrue(scheme.get("bitsPerWeight").asDouble() >= before);
            before = scheme.get("bitsPerWeight").asDouble();
            double squared = 0;
            double squares = 0;
            double worst = 0;
            for (Row row : table) {
                if (row.getAs("scheme").equals(scheme.get("scheme").asText())) {
                    squared += row.<Double>getAs("squared_error");
                    squares += row.<Double>getAs("squares");
                    worst = Math.max(worst, row.<Double>getAs("relative_error"));
                }
            }
            assertEquals(
                    Math.sqrt(squared / squares), scheme.get("relativeError").asDouble(), 1e-12);
            assertEquals(worst, scheme.get("worstRelativeError").asDouble(), 1e-12);
        }
        assertEquals(10, summary.get("schemes").size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "3 | Cannot survey tensors \"attn_z\": the pattern is found in none of the 44 names, for example"
                        + " token_embd.weight | --tensors attn_z",
                "2 | Cannot use tensor name pattern \"a(\": Unclosed group at character 2 | --tensors a(",
                "2 | Cannot use schemes \"int9*\": it matches none of int8, | --schemes int9*",
                "2 | Cannot use scheme \"int4-g33\": the number of \"g33\" is out of range. | --schemes int4-g33",
                "2 | Cannot survey 0 rows: at least 1 is needed | --rows 0",
                "2 | Cannot run survey: | --rows 3 --exact",
                "3 | Cannot open imatrix nowhere.gguf: no such file | --imatrix nowhere.gguf"
            })
    void whatCannotBeIsRefusedAndNothingIsLeft(int code, String reason, String more) throws IOException {
        Path output = folder.resolve("refused");
        List<String> line = new ArrayList<>(List.of("survey", "--model", DOCS_LM, "--output", output.toString()));
        line.addAll(List.of(more.split(" ")));
        Outcome outcome = Cli.run(line.toArray(String[]::new));
        assertTrue(outcome.reason().startsWith(reason), outcome.err());
        assertEquals(code, outcome.code());
        assertTrue(Cli.names(folder).stream().noneMatch(name -> name.startsWith("refused")));
    }

    @Test
    void anEarlierSurveyIsReplacedOnlyWhenAsked() throws IOException {
        Path output = folder.resolve("again");
        String[] line = {
            "survey", "-m", DOCS_LM, "-o", output.toString(), "--schemes", "int8", "--tensors", "attn_v", "--rows", "1"
        };
        assertEquals(0, Cli.run(line).code());
        Outcome refused = Cli.run(line);
        assertEquals(3, refused.code());
        assertEquals(
                "Cannot write survey " + output + ": it exists; --overwrite replaces an earlier survey",
                refused.reason());
        String[] overwriting =
                Stream.concat(Stream.of(line), Stream.of("--overwrite")).toArray(String[]::new);
        assertEquals(0, Cli.run(overwriting).code());
        assertEquals(Set.of("survey.parquet", "summary.json"), Cli.names(output));

        Files.writeString(output.resolve("mine.txt"), "not of a survey");
        Outcome foreign = Cli.run(overwriting);
        assertEquals(
                "Cannot overwrite " + output + ": there is something that is no part of a survey", foreign.reason());
        assertTrue(Files.exists(output.resolve("mine.txt")));
        assertTrue(Cli.names(folder).stream().noneMatch(name -> name.startsWith("again.")));
    }
}
