package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Lease;
import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.linear.ClipSearch;
import io.sparkgguf.quant.linear.LinearGrid;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.RangeRule;
import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.quant.linear.ValueRange;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.report.SurveyReport;
import io.sparkgguf.storage.PinnedStorage;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;

/**
 * Tries schemes on the tensors of a model and writes what each would cost: a table, and its summary.
 *
 * <p>At most three looks at the rows, each a stage of slices: the ranges of whole tensors, the clips of whole tensors where
 * a scheme looks for one, and the errors. Slices do not depend on the cluster and their sums are added in order, so the
 * figures do not either.
 */
public final class SurveyJob {
    private final Session session;
    private final SurveySettings settings;
    private final Progress progress;
    private final Storage storage;
    private final List<Scheme> schemes;
    private final Map<String, Double> seconds = new LinkedHashMap<>();
    private final List<String> warnings = new ArrayList<>();
    private List<ModelTensor> tensors;
    private List<SurveySlice> slices;

    public SurveyJob(Session session, SurveySettings settings, Progress progress) {
        this.session = session;
        this.settings = settings.renamed(session::everywhere);
        this.progress = progress;
        this.storage = session.storage();
        this.schemes = settings.schemes();
    }

    /** Does it, and makes the folder when all is known. */
    public SurveyReport run() throws IOException {
        SurveyOutput output = new SurveyOutput(storage, settings.output(), settings.overwrite());
        output.require();
        Checkpoint checkpoint = Checkpoint.open(storage, settings.model(), null);
        choose(checkpoint);
        Map<String, ImatrixEntry> importance = importance(checkpoint);
        return Lease.holding(storage, settings.output(), lease -> {
            List<SurveyedTensor> found = look(checkpoint, importance);
            checkpoint.requireUnchanged(storage);
            SurveyReport report = new SurveySummary(schemes, found).report(settings, seconds, warnings);
            lease.renew();
            output.write((table, summary, scratch) -> {
                SurveyTable.write(session, rows(found), table, scratch);
                WholeFile.write(storage, summary, out -> out.write(ReportFile.json(report)));
            });
            return report;
        });
    }

    /** Chooses tensors, and slices of them; refuses when there is nothing to look at. */
    private void choose(Checkpoint checkpoint) {
        List<ModelTensor> matrices = checkpoint.model().tensors().stream()
                .filter(tensor -> tensor.shape().rank() >= 2 && tensor.shape().elements() > 0)
                .toList();
        if (matrices.isEmpty()) {
            throw new InvalidInputException("Cannot survey " + settings.model() + ": it has no tensor of rows");
        }
        tensors = matrices.stream()
                .filter(tensor -> settings.wants(tensor.name()))
                .toList();
        if (tensors.isEmpty()) {
            throw new InvalidInputException(
                    "Cannot survey tensors \"%s\": the pattern is found in none of the %d names, for example %s"
                            .formatted(
                                    settings.tensors(),
                                    matrices.size(),
                                    matrices.get(0).name()));
        }
        slices = new ArrayList<>();
        for (ModelTensor tensor : tensors) {
            requireReadable(tensor);
            slices.addAll(SurveySlice.cut(slices.isEmpty() ? 0 : last().tensor() + 1, tensor, settings.rows()));
        }
        boolean any = false;
        for (Scheme scheme : schemes) {
            long fitting = tensors.stream()
                    .filter(tensor -> scheme.fits(tensor.shape().columns()))
                    .count();
            any |= fitting > 0;
            if (fitting < tensors.size()) {
                warnings.add("%s fits %d of %d tensors: its blocks do not divide the rows of the others"
                        .formatted(scheme.label(), fitting, tensors.size()));
            }
        }
        if (!any) {
            throw new InvalidInputException(
                    "Cannot survey %s: none of the schemes fits a tensor, for rows of %d do not divide into blocks of %s"
                            .formatted(
                                    settings.model(),
                                    tensors.get(0).shape().columns(),
                                    schemes.get(0).label()));
        }
    }

    private SurveySlice last() {
        return slices.get(slices.size() - 1);
    }

    private static void requireReadable(ModelTensor tensor) {
        if (tensor.source() instanceof ModelTensor.Stored stored) {
            for (TensorLocation part : stored.parts()) {
                if (!BlockFormats.of(part.encoding()).decodes()) {
                    throw new InvalidInputException(
                            "Cannot survey tensor %s of %s: it is %s, which has no decoder here; --tensors can leave it out"
                                    .formatted(
                                            tensor.name(),
                                            part.file(),
                                            part.encoding().label()));
                }
            }
        }
        if (tensor.shape().columns() > 1 << 26) {
            throw new InvalidInputException("Cannot survey tensor %s: a row of %,d weights is too long"
                    .formatted(tensor.name(), tensor.shape().columns()));
        }
    }

    private Map<String, ImatrixEntry> importance(Checkpoint checkpoint) throws IOException {
        if (settings.imatrix() == null) {
            return Map.of();
        }
        ImportanceMatrix matrix = ImportanceMatrix.open(
                storage,
                settings.imatrix(),
                new ImportanceFilter(List.of(), List.of()),
                checkpoint.tensorsByName().keySet());
        warnings.addAll(matrix.warnings());
        Map<String, ImatrixEntry> entries = new HashMap<>();
        for (ModelTensor tensor : tensors) {
            ImatrixEntry entry = matrix.entries().get(tensor.name());
            if (entry != null) {
                entry.requireFits(tensor.shape());
                entries.put(tensor.name(), entry);
            }
        }
        if (entries.size() < tensors.size()) {
            warnings.add("the imatrix has no values for %d of %d tensors: they have no weighted errors"
                    .formatted(tensors.size() - entries.size(), tensors.size()));
        }
        return entries;
    }

    private List<SurveyedTensor> look(Checkpoint checkpoint, Map<String, ImatrixEntry> importance) throws IOException {
        Model model = checkpoint.model();
        PinnedStorage pinned = checkpoint.pin(storage);
        ModelWeights weights = ModelWeights.of(new Model(model.architecture(), model.metadata(), tensors));
        SurveyRows reading =
                new SurveyRows(pinned, new BlendedWeights(weights, null, false), new HashMap<>(importance));
        long memory = slices.stream()
                        .mapToLong(slice -> SurveyErrors.memory(slice.columns(), schemes.size()))
                        .max()
                        .orElse(0)
                + weights.memory();
        progress.say("%s: %d schemes on %d tensors, %,d of %,d weights; %,d MiB of memory for each task"
                .formatted(
                        Version.TOOL,
                        schemes.size(),
                        tensors.size(),
                        slices.stream().mapToLong(SurveySlice::weights).sum(),
                        tensors.stream()
                                .mapToLong(tensor -> tensor.shape().elements())
                                .sum(),
                        (memory >> 20) + 1));
        session.requireRoom("surveying rows", memory, null);

        boolean counting = tensorWide(RangeRule.Kind.PERCENTILE).length > 0;
        List<SurveyRanges.Seen> ranges =
                merged(stage("ranges", new SurveyRanges(reading, counting), memory), SurveyRanges.Seen::and);
        ArrayList<LinearGrid[]> grids = grids(reading, ranges, memory);
        ArrayList<Double> sigmas = new ArrayList<>();
        ranges.forEach(seen -> sigmas.add(seen.sigma()));
        List<SurveyErrors.Sums> sums = merged(
                stage("errors", new SurveyErrors(reading, new ArrayList<>(schemes), grids, sigmas), memory),
                (all, next) -> {
                    all.add(next);
                    return all;
                });
        List<SurveyedTensor> found = new ArrayList<>();
        for (int t = 0; t < tensors.size(); t++) {
            ModelTensor tensor = tensors.get(t);
            found.add(new SurveyedTensor(
                    tensor.name(),
                    tensor.shape(),
                    tensor.encoding().label(),
                    ranges.get(t).count() / tensor.shape().columns(),
                    importance.containsKey(tensor.name()),
                    sigmas.get(t),
                    sums.get(t)));
        }
        return found;
    }

    /** Numbers of the schemes that must know whole tensors and find ranges so. */
    private int[] tensorWide(RangeRule.Kind kind) {
        return IntStream.range(0, schemes.size())
                .filter(s -> schemes.get(s) instanceof LinearScheme scheme
                        && scheme.isWholeTensor()
                        && scheme.range().kind() == kind)
                .toArray();
    }

    /** The grids of whole tensors, by tensor and scheme. */
    private ArrayList<LinearGrid[]> grids(SurveyRows reading, List<SurveyRanges.Seen> ranges, long memory)
            throws IOException {
        int[] searched = tensorWide(RangeRule.Kind.LEAST_ERROR);
        ArrayList<LinearScheme> searching = new ArrayList<>();
        IntStream.of(searched).forEach(s -> searching.add((LinearScheme) schemes.get(s)));
        ArrayList<ValueRange> ends = new ArrayList<>();
        ranges.forEach(seen -> ends.add(seen.range()));
        List<double[][]> sums = searched.length == 0
                ? List.of()
                : merged(stage("clips", new SurveyClips(reading, searching, ends), memory), SurveyJob::added);
        ArrayList<LinearGrid[]> grids = new ArrayList<>();
        for (int t = 0; t < tensors.size(); t++) {
            LinearGrid[] known = new LinearGrid[schemes.size()];
            for (int s = 0; s < known.length; s++) {
                if (schemes.get(s) instanceof LinearScheme scheme && scheme.isWholeTensor()) {
                    known[s] = grid(scheme, ranges.get(t));
                }
            }
            for (int i = 0; i < searched.length; i++) {
                ClipSearch search = new ClipSearch().begin(searching.get(i), ends.get(t));
                search.add(sums.get(t)[i]);
                known[searched[i]] = search.best();
            }
            grids.add(known);
        }
        return grids;
    }

    /** The grid of a whole tensor by what was seen of it; that of no clip where one is to be searched. */
    private static LinearGrid grid(LinearScheme scheme, SurveyRanges.Seen seen) {
        RangeRule rule = scheme.range();
        return scheme.grid(
                switch (rule.kind()) {
                    case CLAMP -> seen.range().within(-rule.value(), rule.value());
                    case PERCENTILE -> seen.counts().range(scheme.symmetric(), rule.value());
                    default -> seen.range();
                });
    }

    private static double[][] added(double[][] all, double[][] next) {
        for (int i = 0; i < all.length; i++) {
            for (int j = 0; j < all[i].length; j++) {
                all[i][j] += next[i][j];
            }
        }
        return all;
    }

    private <R> List<R> stage(String name, Stage.Task<SurveySlice, R> task, long memory) throws IOException {
        session.context();
        long start = System.nanoTime();
        List<R> results = Stage.of(name, slices, task)
                .cost(SurveySlice::weights)
                .size(slice -> Float.BYTES * slice.weights())
                .memory(slice -> memory)
                .run(session, progress);
        seconds.put(name, (System.nanoTime() - start) / 1e9);
        return results;
    }

    /** Merges what was found in the slices of each tensor, in order. */
    private interface Merging<R> {
        R merge(R all, R next);
    }

    private <R> List<R> merged(List<R> bySlice, Merging<R> merging) {
        List<R> byTensor = new ArrayList<>();
        for (int i = 0; i < bySlice.size(); i++) {
            int tensor = slices.get(i).tensor();
            if (tensor == byTensor.size()) {
                byTensor.add(bySlice.get(i));
            } else {
                byTensor.set(tensor, merging.merge(byTensor.get(tensor), bySlice.get(i)));
            }
        }
        return byTensor;
    }

    private List<Row> rows(List<SurveyedTensor> found) {
        List<Row> rows = new ArrayList<>();
        for (SurveyedTensor tensor : found) {
            for (int s = 0; s < schemes.size(); s++) {
                if (schemes.get(s).fits(tensor.shape().columns())) {
                    rows.add(SurveyTable.row(tensor, schemes, s));
                }
            }
        }
        return rows;
    }
}
