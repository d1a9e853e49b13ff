package io.sparkgguf.job;

import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.report.SurveyReport;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Sums up by scheme what was found of tensors. Each tensor counts by all its weights, not by those looked at. */
record SurveySummary(List<Scheme> schemes, List<SurveyedTensor> tensors) {

    SurveyReport report(SurveySettings settings, Map<String, Double> seconds, List<String> warnings) {
        List<SurveyReport.Scheme> lines = new ArrayList<>();
        for (int s = 0; s < schemes.size(); s++) {
            int scheme = s;
            List<SurveyedTensor> fitting = tensors.stream()
                    .filter(tensor -> schemes.get(scheme).fits(tensor.shape().columns()))
                    .toList();
            if (!fitting.isEmpty()) {
                lines.add(line(s, fitting));
            }
        }
        lines.sort(Comparator.comparingDouble(SurveyReport.Scheme::bitsPerWeight)
                .thenComparingDouble(SurveyReport.Scheme::relativeError));
        return new SurveyReport(
                Map.of("name", Version.TOOL, "version", Version.number()),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                settings.model(),
                settings.imatrix(),
                settings.rows() == 0 ? null : settings.rows(),
                tensors.size(),
                tensors.stream().mapToLong(tensor -> tensor.shape().elements()).sum(),
                tensors.stream().mapToLong(SurveyedTensor::weightsSeen).sum(),
                lines,
                seconds,
                List.copyOf(warnings));
    }

    private SurveyReport.Scheme line(int s, List<SurveyedTensor> fitting) {
        Scheme scheme = schemes.get(s);
        long bytes = 0;
        long weights = 0;
        double mean = 0;
        SurveyedTensor worst = fitting.get(0);
        double error = 0;
        double squares = 0;
        double weightedError = 0;
        double weightedSquares = 0;
        double clipped = 0;
        boolean weighted = false;
        for (SurveyedTensor tensor : fitting) {
            double all = (double) tensor.shape().rows() / tensor.rowsSeen();
            bytes += scheme.bytes(tensor.shape());
            weights += tensor.shape().elements();
            mean += tensor.relativeError(s) / fitting.size();
            worst = tensor.relativeError(s) > worst.relativeError(s) ? tensor : worst;
            error += all * tensor.sums().errors()[s];
            squares += all * tensor.sums().squares()[0];
            weightedError += all * tensor.sums().weightedErrors()[s];
            weightedSquares += all * tensor.sums().weightedSquares()[0];
            clipped += all * tensor.sums().clipped()[s];
            weighted |= tensor.weighted();
        }
        return new SurveyReport.Scheme(
                scheme.label(),
                8.0 * bytes / weights,
                bytes,
                fitting.size(),
                mean,
                worst.relativeError(s),
                worst.name(),
                SurveyedTensor.ratio(error, squares),
                weighted ? SurveyedTensor.ratio(weightedError, weightedSquares) : null,
                scheme instanceof LinearScheme ? clipped / weights : null);
    }
}
