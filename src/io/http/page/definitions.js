// What each number means, told beside its name on hover, focus or touch.

import { make } from "./table.js";

const DEFINITIONS = {
  dau_mau_ratio:
    "Stickiness: of the users active in the last 30 days, the share active on this day. DAU / MAU; over the users of time.mau_days days when that is set to another number.",
  dau_wau_ratio: "Of the users active in the last 7 days, the share active on this day. DAU / WAU.",
  active_days_mean_30d: "On how many of the last 30 days an active user came, on average: active user-days over MAU.",
  dau: "Daily active users: distinct users with at least one activity event on this day.",
  wau_7d: "Weekly active users: distinct users active on any of the 7 days that end with this one.",
  mau_30d: "Monthly active users: distinct users active on any of the 30 days that end with this one.",
  histogram: "How many users were active on exactly so many of the 30 days that end with the chosen day. A hump at the right is a habit.",
  new: "Users whose first active day ever is in the days that end with this one.",
  retained: "Users active in these days and in as many days before them.",
  resurrected: "Users active in these days who are not new, and were not active in as many days before them.",
  dormant: "Users active in the days before, and not in these.",
  growth:
    "Who came and who stayed away, by day. New, retained and resurrected users add up to the active ones; dormant ones are those lost since the days before, drawn below the line.",
  retention_rate_30d: "Of the users active in the 30 days before the last 30, the share active in the last 30 too.",
  quick_ratio_7d: "New and resurrected users of 7 days for each one who became dormant. Above 1 the number of active users grows.",
  quick_ratio_30d: "New and resurrected users of 30 days for each one who became dormant. Above 1 the number of active users grows.",
  retention:
    "Of the users whose first active day was in a week (or on a day), the share active again exactly so many days later. Cells whose days are not over yet are left out of the share.",
  risk: "Users by level of churn risk at the end of each day: the probability of no further active day within the horizon is low below 0.5, medium below 0.8, high above. Churned: silent for longer than the lapse days, or gone by their own word.",
  risk_low: "Users whose probability of not coming back is below churn.medium (0.5).",
  risk_medium: "Users whose probability of not coming back is from churn.medium (0.5) to below churn.high (0.8).",
  risk_high: "Users whose probability of not coming back is churn.high (0.8) or more: the ones to reach now.",
  risk_churned: "Users silent for more than the lapse days, and those who cancelled or were noted as lost.",
  moves:
    "Users who were at another level at the end of the day before and became high or churned at the end of this one; and churned users who came back on it.",
  alerts:
    "Days on which more users than expected became high risk or churned (churn spike), or fewer silent users came back (return deficit). Each is judged once, when every partition has closed the day.",
  orders: "Orders of this day that stand: those returned in full do not count.",
  repeat_orders: "Orders of this day that are not their buyer’s first ever.",
  revenue: "Money of this day’s orders, net of what was returned of them at any time.",
  repeat_purchase_rate_30d:
    "Of the users who bought in the 30 days that end with this one, the share who bought on two or more days of them.",
  loyal_buyers:
    "Users with at least purchases.loyal_orders (3) orders since they last broke off, at the end of this day. Known when the day closes.",
  top20_revenue_share: "Share of all net revenue to date that the best fifth of buyers brought. Known when the day closes.",
  funnel:
    "Share of buyers who bought again within so many days, those who still may counted fairly (Kaplan-Meier). The band holds the truth in 95 of 100 cases.",
  pareto: "Share of all net revenue that the best tenth, two tenths and so on of buyers brought.",
  rfm: "Buyers by fifths of recency (5: bought last) and of frequency (5: most orders). Top right are the best; top left bought often, and not for long.",
  types:
    "Users by behaviour (comes or buys often) and attitude (answers, sentiment). Inertia and mercenaries buy without liking; latent users like without buying.",
  satisfaction:
    "Of users who gave an answer of so much satisfaction, the share active again within 30 days. The line is the nearest curve that never falls; zones part where it jumps.",
  recovery:
    "Of users who complained, the share active again within 30 days, by how soon the complaint was resolved. Lines are 95 % intervals; the mark is the figure of the published study.",
  nps_30d: "Promoters (9 or 10) less detractors (0 to 6), in hundredths of all who answered, by each user’s last answer in 30 days.",
  complaints: "Complaints opened on this day, and those open at its end.",
  silent_unhappy_30d:
    "An estimate of unhappy users who said nothing: 24 for each one who complained in the last 30 days (complaints.silent_ratio).",
  stages: "How long users stay in a stage of the life cycle, those who are in it still included (Kaplan-Meier).",
  flows: "Steps from one named competitor to another, in what users of the last 180 days bought elsewhere or left for.",
  complaint_categories: "Complaints of the last 180 days by category, with the 95 % interval of the share.",
  competitors:
    "What users answer about competitors, the latest of each user within 180 days: the mean of each item, and, of those who answered it about the business too, by how much the business is rated higher.",
  remedies: "Complaints of 30 to 120 days ago that were resolved within 30 days: who was active within 30 days after, by what was done.",
  tiers: "Money booked to acquire, retain and serve users, by fifth of the buyers by net revenue, 5 the highest.",
  next_category: "Of each category, the one that its buyers have oftenest beyond chance: the largest lower bound of the lift.",
  intermediaries: "Orders of the last 90 days by the intermediary that they came through, and complaints within 30 days after them.",
  campaigns: "Orders within 30 days from the exposure on, of users who were exposed less those held out, with Welch\u2019s 95 % interval.",
  departures: "Cancellations and losses of the last 180 days, by the reason that was given.",
  lag: "Records in the log that are not committed yet, over the partitions of this process.",
  watermark: "Event time of the newest event, of the partition that is furthest behind.",
  commit_ms: "From the begin of a transaction to its end, since the process started.",
  publish_ms: "From a record’s timestamp to the commit that publishes what it changed, since the process started.",
  snapshots: "States stored so that a restart need not read the whole log.",
  outcomes: "What became of the records that were read, since the process started.",
  dead_letters:
    "The newest records that were no events, up to eight of each reason, kept in memory since the process started. All of them are in the topic of dead letters, whole.",
  partitions: "The partitions of this process. Offsets are those of the next record.",
  active_map: "Each square is a day; a filled one has activity. About half a year is remembered.",
  curve: "Probability of not coming back within the horizon, if nothing more is heard of the user from today on.",
  clv_365d: "Value expected of the next twelve months, with the margin and discount of the settings.",
  attitude: "Mean of the latest answers within 180 days, from 0 to 1.",
  behaviour: "The larger of active days in 30 over 30, and of the streak of orders over twice that of a loyal buyer.",
  rates: "Records a second that were counted, and records not committed yet, while this page was open.",
};

let bubble;
let owner;

/** A name with its definition. */
export function term(name, key) {
  const button = make("button", { type: "button", class: "term" }, name);
  if (!DEFINITIONS[key]) throw new Error(`nothing defines ${key}`);
  button.dataset.definition = key;
  button.setAttribute("aria-describedby", "definition");
  return button;
}

function tell(button) {
  owner = button;
  bubble.textContent = DEFINITIONS[button.dataset.definition];
  bubble.hidden = false;
  const at = button.getBoundingClientRect();
  const size = bubble.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8));
  const below = at.bottom + 6;
  const top = below + size.height > innerHeight - 8 && at.top > size.height + 12 ? at.top - size.height - 6 : below;
  bubble.style.left = `${left + scrollX}px`;
  bubble.style.top = `${top + scrollY}px`;
}

function hide() {
  owner = undefined;
  bubble.hidden = true;
}

const termOf = (event) => (event.target instanceof Element ? event.target.closest(".term") : null);

/** Makes all names tell. */
export function watchTerms() {
  bubble = document.getElementById("definition");
  document.addEventListener("pointerover", (event) => {
    const button = termOf(event);
    if (button) tell(button);
    else if (owner && owner !== document.activeElement && event.target !== bubble) hide();
  });
  document.addEventListener("focusin", (event) => (termOf(event) ? tell(termOf(event)) : owner && hide()));
  document.addEventListener("focusout", () => owner && hide());
  document.addEventListener("click", (event) => termOf(event) && tell(termOf(event)));
  document.addEventListener("keydown", (event) => event.key === "Escape" && owner && hide());
}
