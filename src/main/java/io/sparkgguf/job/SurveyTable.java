package io.sparkgguf.job;

import static org.apache.spark.sql.types.DataTypes.DoubleType;
import static org.apache.spark.sql.types.DataTypes.LongType;
import static org.apache.spark.sql.types.DataTypes.StringType;
import static org.apache.spark.sql.types.DataTypes.createArrayType;

import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.storage.Names;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/**
 * The table of a survey: a row for each tensor and scheme, in the order of the model and of the schemes.
 *
 * <p>Sums of squares are those of the whole tensor: where not all rows were looked at, what was found times rows over rows
 * looked at. Weighted sums count each column by its importance. All that needs an importance is null without.
 */
final class SurveyTable {
    static final StructType SCHEMA = new StructType()
            .add("tensor", StringType, false)
            .add("shape", createArrayType(LongType, false), false)
            .add("source", StringType, false)
            .add("rows_surveyed", LongType, false)
            .add("scheme", StringType, false)
            .add("bits_per_weight", DoubleType, false)
            .add("bytes", LongType, false)
            .add("relative_error", DoubleType, false)
            .add("weighted_relative_error", DoubleType, true)
            .add("squared_error", DoubleType, false)
            .add("weighted_squared_error", DoubleType, true)
            .add("squares", DoubleType, false)
            .add("weighted_squares", DoubleType, true)
            .add("outlier_share", DoubleType, false)
            .add("clipped_share", DoubleType, true)
            .add("sigma", DoubleType, false)
            .add("histogram", createArrayType(LongType, false), false);

    private SurveyTable() {}

    /** The row of a tensor and scheme number {@code s}. */
    static Row row(SurveyedTensor tensor, List<Scheme> schemes, int s) {
        Scheme scheme = schemes.get(s);
        SurveyErrors.Sums sums = tensor.sums();
        double all = (double) tensor.shape().rows() / tensor.rowsSeen();
        double weights = tensor.weightsSeen();
        boolean weighted = tensor.weighted();
        return RowFactory.create(
                tensor.name(),
                Arrays.stream(tensor.shape().toArray()).boxed().toArray(Long[]::new),
                tensor.source(),
                tensor.rowsSeen(),
                scheme.label(),
                scheme.bitsPerWeight(tensor.shape()),
                scheme.bytes(tensor.shape()),
                tensor.relativeError(s),
                weighted ? tensor.weightedRelativeError(s) : null,
                all * sums.errors()[s],
                weighted ? all * sums.weightedErrors()[s] : null,
                all * sums.squares()[0],
                weighted ? all * sums.weightedSquares()[0] : null,
                sums.outliers()[0] / weights,
                scheme instanceof LinearScheme ? sums.clipped()[s] / weights : null,
                tensor.sigma(),
                Arrays.stream(sums.histogram()).boxed().toArray(Long[]::new));
    }

    /**
     * Writes rows as Parquet, in one file of a new folder.
     *
     * @param scratch a folder in which Spark may leave what it needs
     */
    static void write(Session session, List<Row> rows, String folder, String scratch) throws IOException {
        SparkSession spark = SparkSession.builder()
                .config(session.context().getConf())
                .config("spark.sql.warehouse.dir", uri(scratch))
                .getOrCreate();
        try {
            spark.createDataFrame(rows, SCHEMA).coalesce(1).write().parquet(uri(folder));
        } catch (RuntimeException e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            throw new IOException("Cannot write " + folder + ": " + cause.getMessage(), e);
        }
    }

    /** A name that Spark reads as it is meant: without a scheme it might look on another file system. */
    private static String uri(String file) {
        return Names.scheme(file).isEmpty()
                ? Path.of(file).toAbsolutePath().toUri().toString()
                : file;
    }
}
